//! `Pwd`.

use std::{fs, path::PathBuf, time::Duration};

use capsicum_channel::Frames;
use casper::{
    Casper, Error, Limits, Pwd,
    pwd::{Commands, Fields, PwdLimits, User},
};
use proptest::prelude::*;

use crate::{
    harness::{Case, LONG, Outcome, Tested, case, common, ensure, not_capable, text},
    host, hostile, model, worker,
};

pub(crate) const CASES: &[Case] = &[
    common("pwd_knows_the_users_of_the_system", knows).needs(host::users),
    common("pwd_is_held_to_commands_fields_and_users", limits).needs(host::users),
    case("pwd_is_not_root", not_root).needs(host::users),
    common("pwd_refuses_names_that_are_none", names).needs(host::users),
    common("pwd_works_in_capability_mode", confined).needs(host::users),
    case("pwd_works_in_a_worker_that_was_granted_it", |casper| {
        worker::granted::<Pwd>(casper, "pwd")
    })
    .needs(host::users),
    common("pwd_obeys_the_model_of_its_limits", obeys).needs(host::users),
    common("pwd_does_not_widen", hostile::widening::<Pwd>).needs(host::users),
    case("pwd_survives_mutated_frames", hostile::mutated_frames::<Pwd>).needs(host::users),
    case("pwd_has_room_for_so_many_connections", hostile::many_connections::<Pwd>)
        .needs(host::users),
    case("pwd_is_not_stopped_by_who_does_not_read", hostile::a_client_that_does_not_read::<Pwd>)
        .needs(host::users),
    case("pwd_dies_with_its_name", hostile::death::<Pwd>).needs(host::users),
    case("pwd_ends_with_its_last_connection", hostile::end::<Pwd>).needs(host::users),
];

const NAME: &str = "system.pwd";

impl Tested for Pwd {
    const NAME: &'static str = NAME;

    fn socket(&self) -> Result<Frames, Error> {
        self.to_frames()
    }

    fn another(&self) -> Result<Self, Error> {
        self.try_clone()
    }

    fn hurried(&self) -> Self {
        self.within(Duration::from_millis(50))
    }

    fn ask(&self) -> Result<(), Error> {
        match self.within(LONG).by_name("root")? {
            Some(User { uid: Some(0), .. }) => Ok(()),
            other => Err(Error::Invalid { service: NAME.to_owned(), what: format!("{other:?}") }),
        }
    }

    fn ask_everything(&self) {
        let _ = self.by_name("root");
        let _ = self.by_uid(0);
        let _ = self.users().next();
        let _ = self.limit(PwdLimits::unlimited().users(["root"], [0]));
        let _ = self.limits();
        let _ = self.to_frames();
    }

    fn limit_to_nothing(&self) -> Result<(), Error> {
        self.limit(PwdLimits::unlimited().commands(Commands::empty()))
    }

    fn widen(&self) -> Result<(), Error> {
        self.limit(PwdLimits::unlimited().commands(Commands::NAME))
    }
}

/// A line of /etc/passwd: the name, the number, the group, the home directory and the shell.
type Line = (String, u32, u32, PathBuf, PathBuf);

/// What is in /etc/passwd, by these few lines.
fn lines() -> Result<Vec<Line>, String> {
    let file = fs::read_to_string("/etc/passwd").map_err(text)?;
    let plain = |line: &&str| !line.starts_with(['#', '+', '-']) && !line.is_empty();
    file.lines()
        .filter(plain)
        .map(|line| {
            let words: Vec<&str> = line.split(':').collect();
            let [name, _, uid, gid, .., home, shell] = words.as_slice() else {
                return Err(format!("a line of another form: {line}"));
            };
            let (uid, gid) = (uid.parse().map_err(text)?, gid.parse().map_err(text)?);
            Ok(((*name).to_owned(), uid, gid, home.into(), shell.into()))
        })
        .collect()
}

fn is(user: &User, line: &Line) -> bool {
    let (name, uid, gid, home, shell) = line;
    user.name.as_ref() == Some(name)
        && (user.uid, user.gid) == (Some(*uid), Some(*gid))
        && user.home.as_ref() == Some(home)
        // FreeBSD has a shell where there is none.
        && (user.shell.as_ref() == Some(shell) || shell.as_os_str().is_empty())
}

fn knows(casper: &Casper) -> Outcome {
    let pwd: Pwd = casper.open().map_err(text)?;
    let lines = lines()?;
    ensure!(!lines.is_empty(), "there are no users");
    for line in &lines {
        let user = pwd.by_name(&line.0).map_err(text)?.ok_or("not there")?;
        ensure!(is(&user, line), "{user:?} and not {line:?}");
        // Of those with the same number the first one.
        let first = lines.iter().find(|other| other.1 == line.1).unwrap_or(line);
        let user = pwd.by_uid(line.1).map_err(text)?.ok_or("not there")?;
        ensure!(is(&user, first), "{user:?} and not {first:?}");
    }
    let users: Vec<User> = pwd.users().collect::<Result<_, _>>().map_err(text)?;
    ensure!(users.len() >= lines.len(), "{} users and not {}", users.len(), lines.len());
    for (user, line) in users.iter().zip(&lines) {
        ensure!(is(user, line), "{user:?} and not {line:?}");
    }
    let again = pwd.users().count();
    ensure!(again == users.len(), "{again} users the second time");
    ensure!(pwd.by_name("no-such-user").map_err(text)?.is_none(), "a user that there is not");
    ensure!(pwd.by_uid(3_999_999_999).map_err(text)?.is_none(), "a number that there is not");
    Ok(())
}

fn limits(casper: &Casper) -> Outcome {
    let pwd: Pwd = casper.open().map_err(text)?;
    let all = PwdLimits::unlimited();
    let by_name = pwd.try_clone().map_err(text)?;
    by_name.limit(all.clone().commands(Commands::NAME)).map_err(text)?;
    by_name.ask().map_err(text)?;
    not_capable(by_name.by_uid(0), NAME)?;
    not_capable(by_name.users().next().transpose(), NAME)?;
    ensure!(by_name.users().count() == 1, "after an error it goes on");
    not_capable(by_name.limit(all.clone()), NAME)?;

    let shown = pwd.try_clone().map_err(text)?;
    shown.limit(all.clone().fields(Fields::UID | Fields::SHELL)).map_err(text)?;
    let root = shown.by_name("root").map_err(text)?.ok_or("no root")?;
    ensure!(root.uid == Some(0) && root.shell.is_some(), "{root:?}");
    ensure!(root.name.is_none() && root.home.is_none() && root.gecos.is_none(), "{root:?}");
    ensure!(root.gid.is_none() && root.password.is_none() && root.class.is_none(), "{root:?}");
    let everybody = shown.users().collect::<Result<Vec<_>, _>>().map_err(text)?;
    ensure!(everybody.iter().all(|user| user.name.is_none() && user.gecos.is_none()), "fields");

    let few = pwd.try_clone().map_err(text)?;
    few.limit(all.clone().users(["nobody"], [0])).map_err(text)?;
    let names: Vec<_> = few
        .users()
        .map(|user| user.map(|user| user.name))
        .collect::<Result<_, _>>()
        .map_err(text)?;
    let lines = lines()?;
    let expected: Vec<_> = lines
        .iter()
        .filter(|line| line.0 == "nobody" || line.1 == 0)
        .map(|line| Some(line.0.clone()))
        .collect();
    ensure!(names == expected, "{names:?} and not {expected:?}");
    few.ask().map_err(text)?;
    let nobody = few.by_name("nobody").map_err(text)?.ok_or("no nobody")?;
    let by_uid = few.by_uid(nobody.uid.unwrap_or(1)).map_err(text)?;
    ensure!(by_uid == Some(nobody), "by the number that was not stated: {by_uid:?}");
    ensure!(few.by_name("daemon").map_err(text)?.is_none(), "another user");
    ensure!(few.by_uid(1).map_err(text)?.is_none(), "another user by number");
    not_capable(few.limit(all.clone().users(["daemon"], [])), NAME)?;
    not_capable(few.limit(all), NAME)
}

/// No hash of a password, whoever the program is.
fn not_root(casper: &Casper) -> Outcome {
    let pwd: Pwd = casper.open().map_err(text)?;
    hostile::is_an_ordinary_user()?;
    for user in pwd.users() {
        let password = user.map_err(text)?.password.ok_or("no password")?;
        ensure!(password.len() <= 1, "a password: {password}");
    }
    Ok(())
}

fn names(casper: &Casper) -> Outcome {
    let pwd: Pwd = casper.open().map_err(text)?;
    for name in ["", "root\0", &"x".repeat(2_000), &"x".repeat(60_000)] {
        let looked_up = pwd.by_name(name);
        ensure!(matches!(looked_up, Err(Error::Invalid { .. })), "{} bytes", name.len());
    }
    for name in ["../root", "root:x:0:0", "root\n", "*", "%s%n"] {
        ensure!(pwd.by_name(name).map_err(text)?.is_none(), "{name:?}");
    }
    pwd.ask().map_err(text)
}

fn confined(casper: &Casper) -> Outcome {
    let pwd: Pwd = casper.open().map_err(text)?;
    pwd.limit(PwdLimits::unlimited().commands(Commands::NAME)).map_err(text)?;
    capsicum_rs::Sandbox::new().grant(&pwd, casper::RIGHTS).enter().map_err(text)?;
    ensure!(fs::File::open("/etc/passwd").is_err(), "it is not confined");
    pwd.ask().map_err(text)?;
    not_capable(pwd.by_uid(0), NAME)?;
    not_capable(pwd.limit(PwdLimits::unlimited()), NAME)
}

/// Limits by bits: of commands, of fields, and of two users by name and two by number.
type Bits = (u8, u16, Option<(u8, u8)>);

const NAMES: [&str; 2] = ["root", "nobody"];

fn bits() -> impl Strategy<Value = Bits> {
    (0_u8..8, 0_u16..1024, prop::option::of((0_u8..4, 0_u8..4)))
}

fn some<T: Copy>(of: [T; 2], bits: u8) -> impl Iterator<Item = T> {
    (0..2).filter(move |bit| bits >> bit & 1 == 1).map(move |bit| of[bit])
}

#[derive(Clone, Debug)]
enum Ask {
    Name(usize),
    Uid(usize),
    Everybody,
}

/// The numbers of [`NAMES`], and one more thing: what the model needs of the host.
struct Model(Bits, [u32; 2]);

impl Model {
    fn narrows(&self, new: Bits) -> bool {
        let (commands, fields, users) = &self.0;
        let fewer = match (users, new.2) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some((names, uids)), Some((new_names, new_uids))) => {
                new_names & !names == 0 && new_uids & !uids == 0
            }
        };
        new.0 & !commands == 0 && new.1 & !fields == 0 && fewer
    }

    fn sees(&self, user: usize) -> bool {
        self.0.2.is_none_or(|(names, uids)| (names | uids) >> user & 1 == 1)
    }
}

fn obeys(casper: &Casper) -> Outcome {
    let service: Pwd = casper.open().map_err(text)?;
    let service = service.within(LONG);
    let (mut numbers, lines) = ([0; 2], lines()?);
    for (number, name) in numbers.iter_mut().zip(NAMES) {
        let user = service.by_name(name).map_err(text)?;
        *number = user.and_then(|user| user.uid).ok_or("a user that every host has")?;
    }
    let ask = prop_oneof![
        4 => (0..2_usize).prop_map(Ask::Name),
        4 => (0..2_usize).prop_map(Ask::Uid),
        1 => Just(Ask::Everybody),
    ];
    model::check(
        &service,
        bits(),
        ask,
        &mut |client: &Pwd, limits: &Bits| {
            let allowed = PwdLimits::unlimited()
                .commands(Commands::from_bits_retain(limits.0))
                .fields(Fields::from_bits_retain(limits.1));
            client.limit(match limits.2 {
                None => allowed,
                Some((names, uids)) => allowed.users(some(NAMES, names), some(numbers, uids)),
            })
        },
        &mut |model: &mut Option<Bits>, limits: &Bits| {
            let held = Model(model.unwrap_or((7, 1023, None)), numbers);
            let narrows = held.narrows(*limits);
            if narrows {
                *model = Some(*limits);
            }
            narrows
        },
        &mut |client: &Pwd, model: &Option<Bits>, ask: &Ask| {
            let held = Model(model.unwrap_or((7, 1023, None)), numbers);
            let (command, result) = match ask {
                Ask::Name(user) => {
                    (1, client.by_name(NAMES[*user]).map(|user| user.into_iter().collect()))
                }
                Ask::Uid(user) => {
                    (2, client.by_uid(held.1[*user]).map(|user| user.into_iter().collect()))
                }
                Ask::Everybody => (4, client.users().collect::<Result<Vec<_>, _>>()),
            };
            match result {
                Err(Error::NotCapable { .. }) => held.0.0 & command == 0,
                Err(_) => false,
                Ok(users) => {
                    let fields = users.iter().all(|user| {
                        let has = |bit: u16| held.0.1 >> bit & 1 == 1;
                        user.name.is_some() == has(0)
                            && user.password.is_some() == has(1)
                            && user.uid.is_some() == has(2)
                            && user.gid.is_some() == has(3)
                            && user.gecos.is_some() == has(4)
                            && user.home.is_some() == has(5)
                            && user.shell.is_some() == has(6)
                    });
                    let expected = match ask {
                        Ask::Name(user) | Ask::Uid(user) => {
                            users.len() == usize::from(held.sees(*user))
                        }
                        Ask::Everybody => match held.0.2 {
                            // One number may be several users': FreeBSD's root and toor.
                            Some((names, uids)) => {
                                let is = |line: &&Line| {
                                    some(NAMES, names).any(|name| line.0 == name)
                                        || some(held.1, uids).any(|uid| line.1 == uid)
                                };
                                users.len() == lines.iter().filter(is).count()
                            }
                            None => users.len() >= 2,
                        },
                    };
                    held.0.0 & command != 0 && fields && expected
                }
            }
        },
    )
}
