//! `orderstream docs`: the parts of docs/ that are generated, so that they cannot go stale.
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use domain::downstream::CircuitState;
use domain::fallout::{CaseState, HumanTaskState};
use domain::inventory::ProductState;
use domain::mutation::MutationState;
use domain::order::{ItemState, OrderState};
use domain::plan::{ServiceOrderState, TaskState};
use domain::states::{Machine, diagram};

mod asyncapi;
mod blocks;
mod command_line;
mod errors;
mod events;
mod schema;
mod standards;

#[derive(clap::Args)]
#[group(required = true, multiple = true)]
pub struct Arguments {
    /// The folder to write the pages to.
    #[arg(long, value_name = "DIR")]
    write: Option<PathBuf>,
    /// The folder of the contracts' versions: one is added for each contract that changed, if all are compatible.
    #[arg(long, value_name = "DIR")]
    schema_versions: Option<PathBuf>,
}

pub fn write(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    if let Some(directory) = &arguments.write {
        blocks::write(directory)?;
    }
    for (name, page) in arguments.write.iter().flat_map(|_| pages()) {
        let path = arguments.write.iter().collect::<PathBuf>().join(name);
        std::fs::write(&path, page()?).with_context(|| format!("could not write \"{}\"", path.display()))?;
    }
    if let Some(directory) = &arguments.schema_versions {
        for path in schemas::evolution::history::add(directory)? {
            println!("{}", path.display());
        }
    }
    Ok(ExitCode::SUCCESS)
}

type Page = fn() -> anyhow::Result<String>;

/// Every page that is generated whole.
fn pages() -> [(&'static str, Page); 6] {
    [
        ("states.md", || Ok(states())),
        (command_line::PAGE, || Ok(command_line::page())),
        ("events.md", events::page),
        ("errors.md", || Ok(errors::page())),
        ("standards-fields.md", || Ok(standards::page())),
        ("asyncapi.yaml", asyncapi::document),
    ]
}

/// docs/states.md: every machine, drawn from its table.
pub fn states() -> String {
    let mut text = String::from(
        "# State machines\n\nDrawn from the tables in `domain` by `make doc`; a test compares. What is not on an arrow is refused.\n",
    );
    section::<OrderState>(&mut text);
    section::<ItemState>(&mut text);
    section::<TaskState>(&mut text);
    section::<ServiceOrderState>(&mut text);
    section::<MutationState>(&mut text);
    section::<CaseState>(&mut text);
    section::<HumanTaskState>(&mut text);
    section::<ProductState>(&mut text);
    section::<CircuitState>(&mut text);
    text
}

fn section<M: Machine>(text: &mut String) {
    let mut name = M::NAME.to_owned();
    name[..1].make_ascii_uppercase();
    text.push_str(&format!("\n## {name}\n\n```mermaid\n{}```\n", diagram::<M>()));
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_generated_pages_are_those_of_the_code() {
        for (name, page) in super::pages() {
            let path = format!("{}/../docs/{name}", env!("CARGO_MANIFEST_DIR"));
            let written = std::fs::read_to_string(path).unwrap_or_default();
            assert!(written == page().unwrap(), "docs/{name} is stale; `make doc` writes it anew");
        }
    }
}
