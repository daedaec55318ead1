//! What the probe reports.

use super::forked::alone;
use crate::{
    Containment, Enforcement, Rights, Support, enter,
    program::{Names, Program},
    sys::freebsd::{limits::kernel_rights, operations::OPERATIONS},
};

#[test]
fn every_right_has_one_row_of_operations() {
    let each: Vec<_> = Rights::each().map(|(_, right)| right).collect();
    let rows: Vec<_> = OPERATIONS.iter().map(|(right, _)| *right).collect();
    assert_eq!(rows, each);
    assert!(OPERATIONS.iter().all(|(_, calls)| !calls.is_empty()));
}

#[test]
fn the_level_is_to_be_had_and_rights_are_enforced_as_far_as_the_kernel_knows_them() {
    let support = Support::probe();
    assert!(support.system.starts_with("FreeBSD 1"), "{}", support.system);
    assert_eq!(support.containment, Containment::Capsicum);
    assert!(support.levels.iter().all(|level| level.lacks.is_none()), "{:?}", support.levels);
    let known = kernel_rights().unwrap();
    for row in &support.rights {
        let refused = matches!(row.enforcement, Enforcement::Refused { .. });
        assert_eq!(refused, !known.contains(row.right), "{}", row.name);
    }
}

#[test]
fn the_probe_answers_in_capability_mode() {
    alone(|| {
        let before = Support::probe();
        enter().unwrap();
        let after = Support::probe();
        assert_eq!(before.system, after.system);
        for (before, after) in before.rights.iter().zip(&after.rights) {
            assert_eq!(before.enforcement, after.enforcement, "{}", before.name);
        }
    });
}

#[test]
fn programs_that_use_names_are_not_confined() {
    let error = Program::new(Names::PATHS).enter().unwrap_err();
    assert!(error.to_string().contains("jail"), "{error}");
}
