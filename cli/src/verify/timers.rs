//! Timers stand in two indexes, by name and by due time: each in both, with one due time.
use runtime::log::embedded::StoredTimer;
use runtime::{DueTimer, TimerKey};

use super::{Check, Subject};

pub(super) fn place(timer: &DueTimer) -> String {
    let key = String::from_utf8_lossy(&timer.key);
    format!("timer \"{}\" of {} of \"{key}\"", timer.name, timer.processor)
}

fn name(timer: &DueTimer) -> TimerKey {
    TimerKey::new(timer.partition, &timer.processor, &timer.key, &timer.name)
}

pub(super) fn check(subject: &Subject<'_>) -> Check {
    let mut check = Check::new("timers");
    let by_name = subject.log.visit_timers(|stored| {
        subject.progress.inc(1);
        check.looked_at += 1;
        let StoredTimer { timer: Some(timer), .. } = &stored else {
            check.find(format!("timer {}", stored.key), "its entry by name cannot be read");
            return true;
        };
        match subject.log.is_due_at(&name(timer), timer.due_ms) {
            Ok(true) => {}
            Ok(false) => check.find(
                place(timer),
                format!(
                    "due {}, and missing in the index of due times: it never fires",
                    domain::Timestamp(timer.due_ms)
                ),
            ),
            Err(error) => check.unreadable(place(timer), &error),
        }
        true
    });
    if let Err(error) = by_name {
        check.unreadable("timers by name", &error);
    }
    let by_due = subject.log.visit_timers_due(|stored| {
        subject.progress.inc(1);
        let StoredTimer { timer: Some(timer), .. } = &stored else {
            check.find(format!("timer {}", stored.key), "its entry by due time cannot be read");
            return true;
        };
        match subject.log.timer_due_ms(&name(timer)) {
            Ok(Some(due_ms)) if due_ms == timer.due_ms => {}
            Ok(found) => {
                let other = found.map_or("missing there".to_owned(), |due_ms| {
                    format!("due {} there", domain::Timestamp(due_ms))
                });
                let due = domain::Timestamp(timer.due_ms);
                check.find(place(timer), format!("due {due} in the index of due times, and by name {other}"));
            }
            Err(error) => check.unreadable(place(timer), &error),
        }
        true
    });
    if let Err(error) = by_due {
        check.unreadable("timers by due time", &error);
    }
    check
}
