//! A page of the documentation, read as what is to be done.
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, bail, ensure};

/// The mark of a command.
const PROMPT: &str = "$ ";
const FENCE: &str = "```";

/// One page, in the sequence in which its blocks stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The file's name: `quick-start.md`.
    pub name: String,
    pub steps: Vec<Step>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    Command(Command),
    /// A block that becomes a file, relative to the page's directory.
    File {
        path: PathBuf,
        content: String,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// Of the file, from 1.
    pub line: usize,
    /// As a shell takes it; without the `&` of one in the background.
    pub text: String,
    pub background: bool,
    /// The lines that it prints, as the page shows them.
    pub expected: Vec<String>,
}

/// Every page of docs/, by name.
///
/// # Errors
/// Unreadable files; blocks that are not what they seem to be.
pub fn all() -> anyhow::Result<Vec<Page>> {
    let folder = repository().join("docs");
    let mut pages = Vec::new();
    for entry in std::fs::read_dir(&folder).with_context(|| format!("could not read {}", folder.display()))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "md") {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let text = std::fs::read_to_string(&path).with_context(|| format!("could not read {name}"))?;
            pages.push(Page::parse(&name, &text)?);
        }
    }
    pages.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(pages)
}

/// The root of the checkout.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(Path::to_owned).unwrap_or_default()
}

/// What a fenced block is to us.
enum Block {
    Console,
    File(PathBuf),
    Text,
}

impl Page {
    /// # Errors
    /// A block without an end, a console block that begins with something other than a command, a file outside the
    /// page's directory; with page and line.
    pub fn parse(name: &str, text: &str) -> anyhow::Result<Page> {
        let mut steps = Vec::new();
        let mut lines = text.lines().zip(1..);
        while let Some((opening, number)) = lines.next() {
            let Some(fence) = fence(opening) else { continue };
            let place = || format!("{name}:{number}");
            let block = block(opening.trim().trim_start_matches('`')).with_context(place)?;
            let mut content = Vec::new();
            loop {
                let Some((line, at)) = lines.next() else { bail!("{}: the block has no end", place()) };
                if line.trim() == fence {
                    break;
                }
                content.push((line, at));
            }
            match block {
                Block::Console => steps.extend(commands(name, &content)?),
                Block::File(path) => {
                    let content = content.iter().flat_map(|(line, _)| [line, "\n"]).collect();
                    steps.push(Step::File { path, content });
                }
                Block::Text => {}
            }
        }
        Ok(Page { name: name.to_owned(), steps })
    }
}

/// The fence that opens a block, of three or more backticks: the same closes it.
fn fence(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let ticks = line.len() - line.trim_start_matches('`').len();
    (ticks >= FENCE.len()).then(|| &line[..ticks])
}

fn block(info: &str) -> anyhow::Result<Block> {
    let mut words = info.split(',').map(str::trim);
    let language = words.next().unwrap_or_default();
    let attributes: Vec<&str> = words.collect();
    if let Some(path) = attributes.iter().find_map(|attribute| attribute.strip_prefix("file=")) {
        let path = PathBuf::from(path);
        let inside = path.components().all(|part| matches!(part, Component::Normal(_)));
        ensure!(
            inside && path.file_name().is_some(),
            "the file \"{}\" must lie below the page's directory",
            path.display()
        );
        return Ok(Block::File(path));
    }
    if language != "console" {
        return Ok(Block::Text);
    }
    match attributes.as_slice() {
        [] => Ok(Block::Console),
        ["no-run"] => Ok(Block::Text),
        other => bail!("a console block cannot be \"{}\"; there is no-run", other.join(",")),
    }
}

fn commands(name: &str, lines: &[(&str, usize)]) -> anyhow::Result<Vec<Step>> {
    let mut commands: Vec<Command> = Vec::new();
    let mut unfinished = false;
    for (line, number) in lines {
        match (line.strip_prefix(PROMPT), commands.last_mut()) {
            (_, Some(command)) if unfinished => {
                command.text.push('\n');
                command.text.push_str(line);
            }
            (Some(text), _) => {
                let (line, text) = (*number, text.to_owned());
                commands.push(Command { line, text, background: false, expected: Vec::new() });
            }
            (None, Some(command)) => {
                command.expected.push((*line).to_owned());
                continue;
            }
            (None, None) => bail!("{name}:{number}: a console block begins with a command, `$ ...`"),
        }
        unfinished = line.ends_with('\\');
    }
    for command in &mut commands {
        if let Some(text) = command.text.trim_end().strip_suffix(" &") {
            command.text = text.to_owned();
            command.background = true;
        }
        // A blank line before the next command is there for the eye.
        while command.expected.last().is_some_and(|line| line.trim().is_empty()) {
            command.expected.pop();
        }
    }
    Ok(commands.into_iter().map(Step::Command).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(line: usize, text: &str, background: bool, expected: &[&str]) -> Step {
        let expected = expected.iter().map(|line| (*line).to_owned()).collect();
        Step::Command(Command { line, text: text.to_owned(), background, expected })
    }

    #[test]
    fn a_page_is_its_commands_and_files_in_sequence() {
        let text = "# T\n\n```toml,file=config/x.toml\na = 1\n```\ntext\n```console\n$ run it &\n[..] ready\n\n$ say \\\n  more\none\n...\n```\n\
                    ```console,no-run\n$ docker\n```\n```json\n{}\n```\n";
        let steps = Page::parse("p.md", text).unwrap().steps;
        assert_eq!(
            steps,
            [
                Step::File { path: "config/x.toml".into(), content: "a = 1\n".into() },
                command(8, "run it", true, &["[..] ready"]),
                command(11, "say \\\n  more", false, &["one", "..."]),
            ]
        );
    }

    #[test]
    fn a_longer_fence_may_hold_a_shorter_one() {
        let text = "````markdown\n```console\n$ not run\n```\n````\n```console\n$ run\n```\n";
        assert_eq!(Page::parse("p.md", text).unwrap().steps, [command(7, "run", false, &[])]);
    }

    #[track_caller]
    fn refused(text: &str, expected: &str) {
        let error = format!("{:#}", Page::parse("p.md", text).unwrap_err());
        assert!(error.contains(expected), "{error}");
    }

    #[test]
    fn what_cannot_be_run_is_refused_with_its_line() {
        refused("\n```console\n$ a\n", "p.md:2: the block has no end");
        refused("```console\na\n```\n", "p.md:2: a console block begins with a command");
        refused("```console,norun\n$ a\n```\n", "there is no-run");
        refused("```toml,file=../x\n```\n", "p.md:1: the file \"../x\" must lie below");
        refused("```toml,file=/etc/x\n```\n", "must lie below");
    }
}
