//! `orderstream downstream`: how the systems stand that carry out commands, and how the simulated ones behave.
use std::path::PathBuf;
use std::process::ExitCode;

use crate::control::Request;
use crate::operations::downstream::{ScenarioView, SystemView};
use crate::operations::{Target, block_on};
use crate::order::{table, word};
use crate::service;
use crate::settings::Settings;
use crate::table::Cell;

#[derive(clap::Subcommand)]
pub enum Command {
    /// Show or change how the simulated systems behave. A change holds for commands received from then on, and survives restarts.
    Scenario {
        /// The new behaviour: a scenario as TOML or JSON.
        #[arg(conflicts_with_all = ["show", "reset"])]
        file: Option<PathBuf>,
        /// Show the behaviour in force, as JSON; what happens without a file, too.
        #[arg(long)]
        show: bool,
        /// Back to the scenario of the settings.
        #[arg(long, conflicts_with = "show")]
        reset: bool,
    },
    /// Every system: its circuit breaker, the tasks that wait for their turn, and its last answers.
    Status {
        /// As JSON, for programs.
        #[arg(long)]
        json: bool,
    },
}

pub fn downstream(settings: &Settings, command: &Command) -> anyhow::Result<ExitCode> {
    block_on(async {
        match command {
            Command::Scenario { file: Some(file), .. } => {
                // Read and checked here, so that a mistake is told with its file; checked again where it is followed.
                let text = service::scenario(file)?.to_json();
                let request = Request::SetScenario { body_bytes: text.len() };
                change(&mut Target::find(settings).await?, request, text.as_bytes()).await
            }
            Command::Scenario { reset: true, .. } => {
                change(&mut Target::find(settings).await?, Request::ResetScenario, &[]).await
            }
            Command::Scenario { file: None, reset: false, .. } => {
                let mut target = Target::find(settings).await?;
                let view: ScenarioView = target.ask(Request::ShowScenario, &[]).await?;
                println!("{}", serde_json::to_string_pretty(&view)?);
                Ok(ExitCode::SUCCESS)
            }
            Command::Status { json } => status(&mut Target::find(settings).await?, *json).await,
        }
    })
}

async fn change(target: &mut Target, request: Request, body: &[u8]) -> anyhow::Result<ExitCode> {
    let view: ScenarioView = target.ask(request, body).await?;
    let what =
        if view.is_changed { "the scenario is in force" } else { "the scenario of the settings is in force" };
    let when = if view.in_force { "for commands received from now on" } else { "from the next start" };
    println!("{what} {when}");
    Ok(ExitCode::SUCCESS)
}

async fn status(target: &mut Target, json: bool) -> anyhow::Result<ExitCode> {
    let systems: Vec<SystemView> = target.ask(Request::DownstreamStatus, &[]).await?;
    if json {
        println!("{}", serde_json::to_string_pretty(&systems)?);
        return Ok(ExitCode::SUCCESS);
    }
    let mut rows = table(&["system", "circuit", "waiting", "commands", "untaken", "last answers", "why"]);
    for system in &systems {
        let answer = |answer: &crate::operations::downstream::AnswerView| {
            let code = answer.code.as_ref().map(|code| format!(" {code}")).unwrap_or_default();
            format!("{} {}{code}", answer.at, answer.kind)
        };
        let answers: Vec<String> = system.last_answers.iter().map(answer).collect();
        rows.add_row([
            Cell::from(system.system.clone()),
            word(&system.circuit).into(),
            system.waiting.to_string().into(),
            system.commands.to_string().into(),
            system.commands_untaken.map(|untaken| untaken.to_string()).unwrap_or_default().into(),
            answers.into(),
            system.reason.clone().unwrap_or_default().into(),
        ]);
    }
    println!("{rows}");
    Ok(ExitCode::SUCCESS)
}
