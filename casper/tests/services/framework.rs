//! What holds for all services, on one of the tests' own.

use std::time::{Duration, Instant};

use casper::{Casper, Channel, Error, Pwd, Service, Sysctl};
use sandbox_spawn::CallError;

use crate::{
    harness::{Case, LONG, Outcome, Tested, case, common, ensure, not_capable, text},
    hostile,
    keeper::{self, Keeper, Longest, Secret},
    worker,
};

pub(crate) const CASES: &[Case] = &[
    case("a_service_in_capability_mode_has_its_grants_alone", alone),
    case("a_service_that_does_not_start_says_why", does_not_start),
    common("a_service_is_opened_in_capability_mode", opened_in_capability_mode),
    case("casper_is_not_started_in_capability_mode", too_late),
    common("services_that_were_given_up_are_not_opened", given_up),
    case("a_hanging_connection_does_not_stop_the_others", hanging),
    case("a_panic_is_an_error_of_that_call", panics),
    case("a_clone_remembers_what_the_connection_did", sessions),
    case("channels_outlive_who_opened_them", outlives),
    case("own_works_in_a_worker_that_was_granted_it", |casper| {
        worker::granted::<Keeper>(casper, "keeper")
    }),
    case("own_does_not_widen", hostile::widening::<Keeper>),
    case("own_survives_mutated_frames", hostile::mutated_frames::<Keeper>),
    case("own_has_room_for_so_many_connections", hostile::many_connections::<Keeper>),
    case("own_is_not_stopped_by_who_does_not_read", hostile::a_client_that_does_not_read::<Keeper>),
    case("own_dies_with_its_name", hostile::death::<Keeper>),
    case("own_ends_with_its_last_connection", hostile::end::<Keeper>),
];

fn alone(casper: &Casper) -> Outcome {
    let keeper = keeper::open(casper)?;
    ensure!(
        keeper.guess(keeper::SECRET.to_vec()).map_err(text)? == keeper::SECRET.len(),
        "a guess"
    );
    ensure!(!keeper.opens("/etc/passwd".to_owned()).map_err(text)?, "it opens paths");
    ensure!(!keeper.opens("/".to_owned()).map_err(text)?, "it opens directories");
    keeper.limit(Longest(3)).map_err(text)?;
    not_capable(keeper.guess(b"open".to_vec()).map_err(Error::from), Secret::NAME)
}

fn does_not_start(casper: &Casper) -> Outcome {
    let empty = keeper::a_file(b"").map_err(text)?;
    for (setup, expected) in [(Some(empty), "the secret is empty"), (None, "it needs a secret")] {
        match casper.open_with::<Channel<Secret>>(setup) {
            Err(Error::Start { service, reason }) if reason.contains(expected) => {
                ensure!(service == Secret::NAME, "{service}");
            }
            other => return Err(format!("{other:?}")),
        }
    }
    let deadline = Instant::now() + LONG;
    while !hostile::processes()?.is_empty() {
        ensure!(Instant::now() < deadline, "its process has not ended");
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

fn opened_in_capability_mode(casper: &Casper) -> Outcome {
    capsicum_rs::enter().map_err(text)?;
    ensure!(std::fs::File::open("/etc/passwd").is_err(), "it is not confined");
    let sysctl: Sysctl = casper.open().map_err(text)?;
    sysctl.ask().map_err(text)?;
    sysctl.another().map_err(text)?.ask().map_err(text)
}

fn given_up(casper: &Casper) -> Outcome {
    let before: Sysctl = casper.open().map_err(text)?;
    let (sysctl, pwd) = (casper::worker::<Sysctl>(), casper::worker::<Pwd>());
    let refused = |opened: Result<(), Error>| match opened {
        Err(Error::Start { reason, .. }) if reason.contains("given up") => Ok(()),
        other => Err(format!("{other:?}")),
    };
    casper.limit(&[sysctl]).map_err(text)?;
    // It does not come back.
    casper.limit(&[sysctl, pwd]).map_err(text)?;
    capsicum_rs::enter().map_err(text)?;
    refused(casper.open::<Pwd>().map(drop))?;
    casper.open::<Sysctl>().map_err(text)?.ask().map_err(text)?;
    casper.limit(&[]).map_err(text)?;
    refused(casper.open::<Sysctl>().map(drop))?;
    before.ask().map_err(text)?;
    before.another().map_err(text)?.ask().map_err(text)
}

fn too_late(_: &Casper) -> Outcome {
    capsicum_rs::enter().map_err(text)?;
    match Casper::start() {
        Err(Error::NotStarted { reason }) if reason.contains("before entering") => Ok(()),
        other => Err(format!("{other:?}")),
    }
}

fn hanging(casper: &Casper) -> Outcome {
    let keeper = keeper::open(casper)?;
    let clone = keeper.try_clone().map_err(text)?;
    match clone.within(Duration::from_millis(20)).hang() {
        Err(CallError::Deadline { .. }) => {}
        other => return Err(format!("{other:?}")),
    }
    let keeper = Keeper(keeper);
    keeper.ask().map_err(text)?;
    keeper.another().map_err(text)?.ask().map_err(text)
}

fn panics(casper: &Casper) -> Outcome {
    let keeper = keeper::open(casper)?;
    match keeper.panic() {
        Err(CallError::Panicked { message, .. }) if message.contains("as it was asked to") => {}
        other => return Err(format!("{other:?}")),
    }
    Keeper(keeper).ask().map_err(text)
}

fn sessions(casper: &Casper) -> Outcome {
    let keeper = keeper::open(casper)?;
    keeper.guess(Vec::new()).map_err(text)?;
    let clone = keeper.try_clone().map_err(text)?;
    clone.guess(Vec::new()).map_err(text)?;
    let counts = (keeper.guesses().map_err(text)?, clone.guesses().map_err(text)?);
    ensure!(counts == (1, 2), "{counts:?}");
    Ok(())
}

fn outlives(_: &Casper) -> Outcome {
    let sysctl: Sysctl = {
        let casper = Casper::start().map_err(text)?;
        casper.open().map_err(text)?
    };
    sysctl.ask().map_err(text)
}
