//! `FCNTL` and `IOCTL`, and within them each command and request.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use capsicum_rs::{Error, Fcntls, Ioctls, Limits, Rights, limit};

use super::Point;
use crate::{
    harness::{Case, Done, Outcome, refused, works},
    level,
    level::FREEBSD,
    matrix::Place,
    raw::{self, ECAPMODE, ENOTCAPABLE},
};

const POINTS: [Point; 3] = [Point::Limit, Point::Grant, Point::Ceiling];

/// The commands that have names of their own.
const COMMANDS: [(&str, Fcntls); 4] = [
    ("F_GETFL", Fcntls::GETFL),
    ("F_SETFL", Fcntls::SETFL),
    ("F_GETOWN", Fcntls::GETOWN),
    ("F_SETOWN", Fcntls::SETOWN),
];

fn fcntl(fd: &OwnedFd, command: Fcntls) -> io::Result<i64> {
    let (number, argument) = match command {
        Fcntls::GETFL => (libc::F_GETFL, 0),
        Fcntls::SETFL => (libc::F_SETFL, libc::O_NONBLOCK),
        Fcntls::GETOWN => (libc::F_GETOWN, 0),
        _ => (libc::F_SETOWN, std::process::id().cast_signed()),
    };
    raw::fcntl(fd, number, argument)
}

/// The requests: how much can be read, and whether to wait.
const REQUESTS: [(&str, u64); 2] =
    [("FIONREAD", libc::FIONREAD as u64), ("FIONBIO", libc::FIONBIO as u64)];

fn number(request: u64) -> u32 {
    // Requests are 32-bit numbers, which ioctl(2) takes as a long.
    request as u32
}

fn ioctl(fd: &OwnedFd, request: u64) -> io::Result<i64> {
    raw::ioctl_int(fd, request, &mut 0)
}

fn confine(fd: BorrowedFd<'_>, point: Point, limits: &Limits) -> Result<(), Error> {
    match point {
        Point::Limit => limit(&fd, limits.clone()),
        Point::Grant => level::sandbox().grant(&fd, limits.clone()).enter().map(drop),
        Point::Ceiling => level::sandbox().ceiling(limits.clone()).enter().map(drop),
    }
}

fn limited(point: Point, limits: &Limits) -> Result<OwnedFd, String> {
    let (fd, other) = works("socketpair", raw::socketpair(libc::SOCK_STREAM))?;
    // It stays open, with the ceiling.
    std::mem::forget(other);
    works("confining", confine(fd.as_fd(), point, limits))?;
    Ok(fd)
}

fn of_right(mut case: Case, right: Rights, works: bool) -> Case {
    case.right = Some(right);
    case.works = works;
    case
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for point in POINTS {
        for (name, command) in COMMANDS {
            let case = Case::new(
                format!("of the fcntl commands only {name} works where it alone is left {point}"),
                move |_| only_command(point, command),
            )
            .at(Place::operation(&format!("fcntl {name}"), point.word(), true));
            cases.push(of_right(case, Rights::FCNTL, command != Fcntls::SETOWN));
        }
        let case = Case::new(format!("no fcntl command works without FCNTL {point}"), move |_| {
            let fd = limited(point, &Limits::from(Rights::READ))?;
            for (name, command) in COMMANDS {
                refused(name, fcntl(&fd, command), &[ENOTCAPABLE])?;
            }
            Ok(Done::Held)
        })
        .at(Place::operation("fcntl", point.word(), false));
        cases.push(of_right(case, Rights::FCNTL, false));
        let case = Case::new(format!("F_GETFD needs no right {point}"), move |_| {
            let fd = limited(point, &Limits::NONE)?;
            works("F_GETFD", raw::fcntl(&fd, libc::F_GETFD, 0)).map(|_| Done::Held)
        });
        cases.push(case.at(Place::rule("F_GETFD needs no right", point.word())));
        cases.extend(requests(point));
    }
    cases
}

fn only_command(point: Point, command: Fcntls) -> Outcome {
    let limits = Limits::from(Rights::FCNTL).fcntls(command);
    let fd = limited(point, &limits)?;
    for (other_name, other) in COMMANDS {
        if other != command {
            refused(other_name, fcntl(&fd, other), &[ENOTCAPABLE])?;
        }
    }
    if command == Fcntls::SETOWN && !FREEBSD && point != Point::Limit {
        refused("F_SETOWN", fcntl(&fd, command), &[ECAPMODE])?;
        return Ok(Done::Otherwise(
            "F_SETOWN would let the kernel send signals to others".to_owned(),
        ));
    }
    works("the command", fcntl(&fd, command))?;
    Ok(Done::Held)
}

fn requests(point: Point) -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, request) in REQUESTS {
        let case = Case::new(
            format!("of the ioctl requests only {name} works where it alone is left {point}"),
            move |_| {
                let only = Ioctls::only([number(request)]);
                let fd = limited(point, &Limits::from(Rights::IOCTL).ioctls(only))?;
                works(name, ioctl(&fd, request))?;
                for (other_name, other) in REQUESTS {
                    if other != request {
                        refused(other_name, ioctl(&fd, other), &[ENOTCAPABLE])?;
                    }
                }
                Ok(Done::Held)
            },
        )
        .at(Place::operation(&format!("ioctl {name}"), point.word(), true));
        cases.push(of_right(case, Rights::IOCTL, true));
    }
    let case = Case::new(format!("ioctl requests work with IOCTL {point}"), move |_| {
        let fd = limited(point, &Limits::from(Rights::IOCTL))?;
        for (name, request) in REQUESTS {
            works(name, ioctl(&fd, request))?;
        }
        Ok(Done::Held)
    })
    .at(Place::operation("ioctl", point.word(), true));
    cases.push(of_right(case, Rights::IOCTL, true));
    let case = Case::new(format!("no ioctl request works without IOCTL {point}"), move |_| {
        let rights = Rights::READ | Rights::WRITE | Rights::FCNTL | Rights::FSTAT | Rights::EVENT;
        let fd = limited(point, &Limits::from(rights))?;
        for (name, request) in REQUESTS {
            refused(name, ioctl(&fd, request), &[ENOTCAPABLE])?;
        }
        works("fstat", raw::fstat(&fd))?;
        Ok(Done::Held)
    })
    .at(Place::operation("ioctl", point.word(), false));
    cases.push(of_right(case, Rights::IOCTL, false));
    cases
}
