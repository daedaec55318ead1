//! The tables: a row for each right, operation, name and rule, a column for each level.

use std::fmt::Write;

use super::{
    lines::{Case, Kind, Outcome, Results, State},
    reasons::Reasons,
};

const NOT_RUN: &str = "not run yet";
/// The system has no such name, operation or rule.
const ABSENT: &str = "–";

/// A level of a system, and the run that has shown it.
pub(super) struct Column<'a> {
    pub(super) system: &'static str,
    pub(super) level: &'a str,
    pub(super) results: Option<&'a Results>,
}

impl Column<'_> {
    fn cases(&self, row: &Row<'_>) -> Vec<&Case> {
        let cases = self.results.map_or(&[][..], |results| &results.cases);
        cases.iter().filter(|case| case.level == self.level && row.is_of(case)).collect()
    }
}

/// What a row is about; no subject means all of the group.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Row<'a> {
    kind: Kind,
    group: &'a str,
    subject: Option<&'a str>,
}

impl<'a> Row<'a> {
    fn of(case: &'a Case) -> Self {
        Self { kind: case.kind, group: &case.group, subject: Some(&case.subject) }
    }

    fn is_of(&self, case: &Case) -> bool {
        case.kind == self.kind
            && case.group == self.group
            && self.subject.is_none_or(|subject| subject == case.subject)
    }
}

/// The rows of a kind, in the order of the suite; those that only one system has are at the end.
fn rows<'a>(columns: &[Column<'a>], kind: Kind) -> Vec<Row<'a>> {
    let mut rows = Vec::new();
    let cases = columns.iter().filter_map(|column| column.results).flat_map(|r| &r.cases);
    for case in cases.filter(|case| case.kind == kind && (case.with || kind != Kind::Right)) {
        let row = Row::of(case);
        if !rows.contains(&row) {
            rows.push(row);
        }
    }
    rows
}

fn cell_text(text: &str) -> String {
    text.replace('|', "\\|")
}

fn table(text: &mut String, titles: &[&str], columns: &[Column<'_>], rows: Vec<Vec<String>>) {
    let mut line = |cells: Vec<String>| {
        let _ = writeln!(text, "| {} |", cells.join(" | "));
    };
    let levels = columns.iter().map(|column| format!("{} `{}`", column.system, column.level));
    line(titles.iter().map(|title| (*title).to_owned()).chain(levels).collect());
    line(vec!["---".to_owned(); titles.len() + columns.len()]);
    rows.into_iter().for_each(line);
}

/// Every right, with the operations that were tried.
pub(super) fn rights(text: &mut String, columns: &[Column<'_>], reasons: &mut Reasons) {
    let operations = rows(columns, Kind::Right);
    // Every system knows the same rights.
    let all = columns.iter().find_map(|column| column.results).map_or(&[][..], |r| &r.rights);
    let rows = all.iter().map(|(name, _)| {
        let tried = operations.iter().filter(|row| row.group == name);
        let tried: Vec<&str> = tried.filter_map(|row| row.subject).collect();
        let row = Row { kind: Kind::Right, group: name, subject: None };
        let cells = columns.iter().map(|column| right(column, &row, reasons));
        [format!("`{name}`"), cell_text(&tried.join(", "))].into_iter().chain(cells).collect()
    });
    let rows = rows.collect();
    table(text, &["right", "operations tried"], columns, rows);
}

fn right(column: &Column<'_>, row: &Row<'_>, reasons: &mut Reasons) -> String {
    let Some(results) = column.results else { return NOT_RUN.to_owned() };
    let cases = column.cases(row);
    if cases.is_empty() {
        let state = results.rights.iter().find(|(name, _)| name == row.group);
        return match state.map(|(_, state)| state) {
            Some(State::NoOperation) => "no operation".to_owned(),
            Some(State::Untried(reason)) => format!("not tried {}", reasons.mark(reason)),
            _ => "not tried".to_owned(),
        };
    }
    let held = |case: &&&Case| matches!(case.outcome, Outcome::Held(_));
    let (with, without): (Vec<&Case>, Vec<&Case>) = cases.iter().partition(|case| case.with);
    let refused = without.iter().any(|case| held(&case));
    let works: Vec<&&Case> = with.iter().filter(held).collect();
    let marks = marks(&with, reasons);
    if works.is_empty() {
        let skipped = with.iter().all(|case| matches!(case.outcome, Outcome::Skipped(_)));
        return format!("{}{marks}", if skipped { "not tried" } else { "refused" });
    }
    let word = match (refused, works.iter().all(|case| case.variant == "limit")) {
        (false, _) => "works; no refusal shown",
        (true, true) => "enforced by `limit` alone; refused in capability mode",
        (true, false) if works.len() == with.len() => "**enforced**",
        (true, false) => "**enforced**, in part",
    };
    format!("{word}{marks}")
}

/// References to the reasons of what did not work.
fn marks(cases: &[&Case], reasons: &mut Reasons) -> String {
    let mut marks: Vec<String> = Vec::new();
    for case in cases {
        if let Outcome::Otherwise(reason) | Outcome::Skipped(reason) = &case.outcome {
            let mark = format!(" {}", reasons.mark(reason));
            if !marks.contains(&mark) {
                marks.push(mark);
            }
        }
    }
    marks.concat()
}

/// The operations that do not work everywhere, even with their rights.
pub(super) fn operations(text: &mut String, columns: &[Column<'_>], reasons: &mut Reasons) {
    let mut lines = Vec::new();
    for row in rows(columns, Kind::Right) {
        let with = |column: &Column<'_>| -> Vec<Case> {
            column.cases(&row).into_iter().filter(|case| case.with).cloned().collect()
        };
        let differs = columns.iter().filter(|column| column.results.is_some()).any(|column| {
            let cases = with(column);
            cases.is_empty() || cases.iter().any(|c| !matches!(c.outcome, Outcome::Held(_)))
        });
        if differs {
            let cells = columns.iter().map(|column| merged(column, &with(column), reasons));
            let titles = [cell_text(row.subject.unwrap_or_default()), format!("`{}`", row.group)];
            lines.push(titles.into_iter().chain(cells).collect());
        }
    }
    table(text, &["operation", "right"], columns, lines);
}

/// Names, ways out of a directory, or rules.
pub(super) fn others(
    text: &mut String,
    kind: Kind,
    titles: &[&str],
    columns: &[Column<'_>],
    reasons: &mut Reasons,
) {
    let lines = rows(columns, kind).into_iter().map(|row| {
        let cells = columns.iter().map(|column| {
            let cases: Vec<Case> = column.cases(&row).into_iter().cloned().collect();
            merged(column, &cases, reasons)
        });
        let group = (titles.len() > 1).then(|| row.group.to_owned());
        let subject = cell_text(row.subject.unwrap_or_default());
        group.into_iter().chain([subject]).chain(cells).collect()
    });
    let lines = lines.collect();
    table(text, titles, columns, lines);
}

/// What the cases of a cell came to: once if all came to the same, else by variant.
fn merged(column: &Column<'_>, cases: &[Case], reasons: &mut Reasons) -> String {
    if column.results.is_none() {
        return NOT_RUN.to_owned();
    }
    let mut groups: Vec<(String, Vec<&str>)> = Vec::new();
    for case in cases {
        let said = outcome(case, reasons);
        match groups.iter_mut().find(|(known, _)| *known == said) {
            Some((_, variants)) => variants.push(&case.variant),
            None => groups.push((said, vec![&case.variant])),
        }
    }
    match groups.as_slice() {
        [] => ABSENT.to_owned(),
        [(said, _)] => said.clone(),
        groups => {
            let part =
                |(said, variants): &(String, Vec<&str>)| format!("{}: {said}", variants.join(", "));
            groups.iter().map(part).collect::<Vec<_>>().join("; ")
        }
    }
}

fn outcome(case: &Case, reasons: &mut Reasons) -> String {
    match (&case.outcome, case.kind) {
        (Outcome::Held(error), _) if !error.is_empty() => format!("`{error}`"),
        (Outcome::Held(_), Kind::Right) => "works".to_owned(),
        (Outcome::Held(_), _) => "holds".to_owned(),
        (Outcome::Otherwise(reason), Kind::Rule) => format!("differs {}", reasons.mark(reason)),
        (Outcome::Otherwise(reason), _) => format!("refused {}", reasons.mark(reason)),
        (Outcome::Skipped(reason), _) => format!("not tried {}", reasons.mark(reason)),
    }
}
