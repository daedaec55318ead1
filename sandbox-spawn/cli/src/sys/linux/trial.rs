//! Trying a level out without a program, in a child that ends at once.

use super::{
    calls, confine,
    level::Means,
    prepared::Prepared,
    processes,
    report::{Report, Step},
    root, signals, supervise,
};
use crate::{args::RunOptions, plan::Plan};

fn refused(reason: Option<String>) -> Result<(), Report> {
    let report = |text| Report { text, ..Report::new(Step::Confine, 0) };
    reason.map_or(Ok(()), |text| Err(report(text)))
}

/// Whether a level can be reached by these means, or why not.
pub(super) fn of(means: Means) -> Result<(), String> {
    let options = RunOptions {
        command: vec!["nothing".into()],
        no_defaults: true,
        quiet: true,
        ..RunOptions::default()
    };
    let plan = Plan::new(&options).map_err(|error| error.to_string())?;
    let prepared = Prepared::new(&plan);
    let system = |errno| std::io::Error::from_raw_os_error(errno).to_string();
    let (reader, writer) = calls::pipe().map_err(system)?;
    let mut clones: Vec<_> = prepared.contents.iter().map(|_| None).collect();
    let mask = signals::hold();
    let child = calls::fork_into(means.namespaces());
    if child == Ok(0) {
        let tried = match means {
            Means::UserNamespace => {
                root::map_ids(&prepared).and_then(|()| root::enter(&prepared, &mut clones))
            }
            Means::Namespaces => root::enter(&prepared, &mut clones),
            Means::Landlock => refused(processes::misleading()),
            Means::Supervised => refused(processes::misleading().or_else(supervise::unavailable)),
        };
        if let Err(report) = tried.and_then(|()| confine::confine(&prepared, means, None)) {
            report.send(&writer);
        }
        calls::exit(0);
    }
    drop(writer);
    if let Ok(child) = child {
        calls::reap_one(child);
    }
    signals::restore_mask(&mask);
    child.map_err(|errno| super::why_no_namespaces("clone", errno))?;
    match Report::receive(reader) {
        None => Ok(()),
        Some(Report { step: Step::Confine, text, .. }) => Err(text),
        Some(report) => Err(super::why_no_namespaces("mounting", report.errno)),
    }
}
