//! `Grp`.

use std::{fs, time::Duration};

use capsicum_channel::Frames;
use casper::{
    Casper, Error, Grp, Limits,
    grp::{Commands, Fields, Group, GrpLimits},
};
use proptest::prelude::*;

use crate::{
    harness::{Case, LONG, Outcome, Tested, case, common, ensure, native, not_capable, text},
    host, hostile, model, worker,
};

pub(crate) const CASES: &[Case] = &[
    common("grp_knows_the_groups_of_the_system", knows).needs(host::groups),
    common("grp_is_held_to_commands_fields_and_groups", limits).needs(host::groups),
    case("grp_is_not_root", not_root).needs(host::groups),
    common("grp_refuses_names_that_are_none", names).needs(host::groups),
    common("grp_works_in_capability_mode", confined).needs(host::groups),
    case("grp_works_in_a_worker_that_was_granted_it", |casper| {
        worker::granted::<Grp>(casper, "grp")
    })
    .needs(host::groups),
    common("grp_obeys_the_model_of_its_limits", obeys).needs(host::groups),
    common("grp_does_not_widen", hostile::widening::<Grp>).needs(host::groups),
    case("grp_survives_mutated_frames", hostile::mutated_frames::<Grp>).needs(host::groups),
    case("grp_has_room_for_so_many_connections", hostile::many_connections::<Grp>)
        .needs(host::groups),
    case("grp_is_not_stopped_by_who_does_not_read", hostile::a_client_that_does_not_read::<Grp>)
        .needs(host::groups),
    case("grp_dies_with_its_name", hostile::death::<Grp>).needs(host::groups),
    case("grp_ends_with_its_last_connection", hostile::end::<Grp>).needs(host::groups),
];

const NAME: &str = "system.grp";

/// Two groups that every host has, the first with the number 0.
const FIRST: &str = if cfg!(target_os = "linux") { "root" } else { "wheel" };
const NOBODY: &str = if cfg!(target_os = "linux") { "nogroup" } else { "nobody" };

impl Tested for Grp {
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
        match self.within(LONG).by_name(FIRST)? {
            Some(Group { gid: Some(0), .. }) => Ok(()),
            other => Err(Error::Invalid { service: NAME.to_owned(), what: format!("{other:?}") }),
        }
    }

    fn ask_everything(&self) {
        let _ = self.by_name(FIRST);
        let _ = self.by_gid(0);
        let _ = self.groups().next();
        let _ = self.limit(GrpLimits::unlimited().groups([FIRST], [0]));
        let _ = self.limits();
        let _ = self.to_frames();
    }

    fn limit_to_nothing(&self) -> Result<(), Error> {
        self.limit(GrpLimits::unlimited().commands(Commands::empty()))
    }

    fn widen(&self) -> Result<(), Error> {
        self.limit(GrpLimits::unlimited().commands(Commands::NAME))
    }
}

/// A line of /etc/group: the name, the number and the members.
type Line = (String, u32, Vec<String>);

/// What is in /etc/group, by these few lines.
fn lines() -> Result<Vec<Line>, String> {
    let file = fs::read_to_string("/etc/group").map_err(text)?;
    let plain = |line: &&str| !line.starts_with(['#', '+', '-']) && !line.is_empty();
    file.lines()
        .filter(plain)
        .map(|line| {
            let words: Vec<&str> = line.split(':').collect();
            let [name, _, gid, members] = words.as_slice() else {
                return Err(format!("a line of another form: {line}"));
            };
            let members = members.split(',').filter(|member| !member.is_empty());
            let members = members.map(|member| member.trim().to_owned()).collect();
            Ok(((*name).to_owned(), gid.parse().map_err(text)?, members))
        })
        .collect()
}

fn is(group: &Group, line: &Line) -> bool {
    let (name, gid, members) = line;
    group.name.as_ref() == Some(name)
        && group.gid == Some(*gid)
        && group.members.as_ref() == Some(members)
}

fn knows(casper: &Casper) -> Outcome {
    let grp: Grp = casper.open().map_err(text)?;
    let lines = lines()?;
    ensure!(!lines.is_empty(), "there are no groups");
    for line in &lines {
        let group = grp.by_name(&line.0).map_err(text)?.ok_or("not there")?;
        ensure!(is(&group, line), "{group:?} and not {line:?}");
        // Of those with the same number the first one.
        let first = lines.iter().find(|other| other.1 == line.1).unwrap_or(line);
        let group = grp.by_gid(line.1).map_err(text)?.ok_or("not there")?;
        ensure!(is(&group, first), "{group:?} and not {first:?}");
    }
    let groups: Vec<Group> = grp.groups().collect::<Result<_, _>>().map_err(text)?;
    ensure!(groups.len() >= lines.len(), "{} groups and not {}", groups.len(), lines.len());
    for (group, line) in groups.iter().zip(&lines) {
        ensure!(is(group, line), "{group:?} and not {line:?}");
    }
    let again = grp.groups().count();
    ensure!(again == groups.len(), "{again} groups the second time");
    ensure!(grp.by_name("no-such-group").map_err(text)?.is_none(), "a group that there is not");
    ensure!(grp.by_gid(3_999_999_999).map_err(text)?.is_none(), "a number that there is not");
    Ok(())
}

fn limits(casper: &Casper) -> Outcome {
    let grp: Grp = casper.open().map_err(text)?;
    let all = GrpLimits::unlimited();
    let by_name = grp.try_clone().map_err(text)?;
    by_name.limit(all.clone().commands(Commands::NAME)).map_err(text)?;
    by_name.ask().map_err(text)?;
    not_capable(by_name.by_gid(0), NAME)?;
    not_capable(by_name.groups().next().transpose(), NAME)?;
    ensure!(by_name.groups().count() == 1, "after an error it goes on");
    not_capable(by_name.limit(all.clone()), NAME)?;

    let shown = grp.try_clone().map_err(text)?;
    shown.limit(all.clone().fields(Fields::GID)).map_err(text)?;
    let first = shown.by_name(FIRST).map_err(text)?.ok_or("not there")?;
    let hidden =
        |group: &Group| group.name.is_none() && group.password.is_none() && group.members.is_none();
    ensure!(first.gid == Some(0) && hidden(&first), "{first:?}");
    let everybody = shown.groups().collect::<Result<Vec<_>, _>>().map_err(text)?;
    ensure!(everybody.iter().all(hidden), "fields");
    let members = grp.try_clone().map_err(text)?;
    members.limit(all.clone().fields(Fields::MEMBERS)).map_err(text)?;
    let first = members.by_gid(0).map_err(text)?.ok_or("not there")?;
    ensure!(first.gid.is_none() && first.members.is_some(), "{first:?}");

    let few = grp.try_clone().map_err(text)?;
    let both = few.limit(all.clone().groups([NOBODY], [0]));
    if native() {
        ensure!(matches!(both, Err(Error::Unsupported { .. })), "names and numbers: {both:?}");
        few.limit(all.clone().groups([NOBODY, FIRST], [])).map_err(text)?;
    } else {
        both.map_err(text)?;
    }
    let names: Vec<_> = few
        .groups()
        .map(|group| group.map(|group| group.name))
        .collect::<Result<_, _>>()
        .map_err(text)?;
    let lines = lines()?;
    let expected: Vec<_> = lines
        .iter()
        .filter(|line| line.0 == NOBODY || line.1 == 0)
        .map(|line| Some(line.0.clone()))
        .collect();
    ensure!(names == expected, "{names:?} and not {expected:?}");
    few.ask().map_err(text)?;
    let nobody = few.by_name(NOBODY).map_err(text)?.ok_or("no nobody")?;
    let by_gid = few.by_gid(nobody.gid.unwrap_or(1)).map_err(text)?;
    ensure!(by_gid == Some(nobody), "by the number that was not stated: {by_gid:?}");
    ensure!(few.by_name("daemon").map_err(text)?.is_none(), "another group");
    ensure!(few.by_gid(1).map_err(text)?.is_none(), "another group by number");
    not_capable(few.limit(all.clone().groups(["daemon"], [])), NAME)?;
    not_capable(few.limit(all), NAME)
}

/// No hash of a password, whoever the program is.
fn not_root(casper: &Casper) -> Outcome {
    let grp: Grp = casper.open().map_err(text)?;
    hostile::is_an_ordinary_user()?;
    for group in grp.groups() {
        let password = group.map_err(text)?.password.ok_or("no password")?;
        ensure!(password.len() <= 1, "a password: {password}");
    }
    Ok(())
}

fn names(casper: &Casper) -> Outcome {
    let grp: Grp = casper.open().map_err(text)?;
    for name in ["", "root\0", &"x".repeat(2_000), &"x".repeat(60_000)] {
        let looked_up = grp.by_name(name);
        ensure!(matches!(looked_up, Err(Error::Invalid { .. })), "{} bytes", name.len());
    }
    for name in ["../root", "root:x:0:0", "root\n", "*", "%s%n"] {
        ensure!(grp.by_name(name).map_err(text)?.is_none(), "{name:?}");
    }
    grp.ask().map_err(text)
}

fn confined(casper: &Casper) -> Outcome {
    let grp: Grp = casper.open().map_err(text)?;
    grp.limit(GrpLimits::unlimited().commands(Commands::NAME)).map_err(text)?;
    capsicum_rs::Sandbox::new().grant(&grp, casper::RIGHTS).enter().map_err(text)?;
    ensure!(fs::File::open("/etc/group").is_err(), "it is not confined");
    grp.ask().map_err(text)?;
    not_capable(grp.by_gid(0), NAME)?;
    not_capable(grp.limit(GrpLimits::unlimited()), NAME)
}

/// Limits by bits: of commands, of fields, and of two groups by name and two by number.
type Bits = (u8, u8, Option<(u8, u8)>);

const NAMES: [&str; 2] = [FIRST, NOBODY];

fn bits() -> impl Strategy<Value = Bits> {
    // libcasper's are limited by one or the other.
    let one = |(names, gids)| if native() && names != 0 { (names, 0) } else { (names, gids) };
    let groups = (0_u8..4, 0_u8..4).prop_map(one);
    (0_u8..8, 0_u8..16, prop::option::of(groups))
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
        let (commands, fields, groups) = &self.0;
        let fewer = match (groups, new.2) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some((names, gids)), Some((new_names, new_gids))) => {
                new_names & !names == 0 && new_gids & !gids == 0
            }
        };
        new.0 & !commands == 0 && new.1 & !fields == 0 && fewer
    }

    fn sees(&self, group: usize) -> bool {
        self.0.2.is_none_or(|(names, gids)| (names | gids) >> group & 1 == 1)
    }
}

fn obeys(casper: &Casper) -> Outcome {
    let service: Grp = casper.open().map_err(text)?;
    let service = service.within(LONG);
    let mut numbers = [0; 2];
    for (number, name) in numbers.iter_mut().zip(NAMES) {
        let group = service.by_name(name).map_err(text)?;
        *number = group.and_then(|group| group.gid).ok_or("a group that every host has")?;
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
        &mut |client: &Grp, limits: &Bits| {
            let allowed = GrpLimits::unlimited()
                .commands(Commands::from_bits_retain(limits.0))
                .fields(Fields::from_bits_retain(limits.1));
            client.limit(match limits.2 {
                None => allowed,
                Some((names, gids)) => allowed.groups(some(NAMES, names), some(numbers, gids)),
            })
        },
        &mut |model: &mut Option<Bits>, limits: &Bits| {
            let held = Model(model.unwrap_or((7, 15, None)), numbers);
            let narrows = held.narrows(*limits);
            if narrows {
                *model = Some(*limits);
            }
            narrows
        },
        &mut |client: &Grp, model: &Option<Bits>, ask: &Ask| {
            let held = Model(model.unwrap_or((7, 15, None)), numbers);
            let (command, result) = match ask {
                Ask::Name(group) => {
                    (1, client.by_name(NAMES[*group]).map(|group| group.into_iter().collect()))
                }
                Ask::Uid(group) => {
                    (2, client.by_gid(held.1[*group]).map(|group| group.into_iter().collect()))
                }
                Ask::Everybody => (4, client.groups().collect::<Result<Vec<_>, _>>()),
            };
            match result {
                Err(Error::NotCapable { .. }) => held.0.0 & command == 0,
                Err(_) => false,
                Ok(groups) => {
                    let fields = groups.iter().all(|group| {
                        let has = |bit: u8| held.0.1 >> bit & 1 == 1;
                        group.name.is_some() == has(0)
                            && group.password.is_some() == has(1)
                            && group.gid.is_some() == has(2)
                            && group.members.is_some() == has(3)
                    });
                    let expected = match ask {
                        Ask::Name(group) | Ask::Uid(group) => {
                            groups.len() == usize::from(held.sees(*group))
                        }
                        Ask::Everybody if held.0.2.is_some() => {
                            groups.len() == (0..2).filter(|group| held.sees(*group)).count()
                        }
                        Ask::Everybody => groups.len() >= 2,
                    };
                    held.0.0 & command != 0 && fields && expected
                }
            }
        },
    )
}
