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

mod blocks;

#[derive(clap::Args)]
pub struct Arguments {
    /// The folder to write to.
    #[arg(long, value_name = "DIR")]
    write: PathBuf,
}

pub fn write(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let path = arguments.write.join("states.md");
    std::fs::write(&path, states()).with_context(|| format!("could not write \"{}\"", path.display()))?;
    blocks::write(&arguments.write)?;
    Ok(ExitCode::SUCCESS)
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
    fn the_diagrams_in_docs_are_those_of_the_tables() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/states.md");
        let written = std::fs::read_to_string(path).unwrap();
        assert!(written == super::states(), "docs/states.md is stale; `make doc` writes it anew");
    }
}
