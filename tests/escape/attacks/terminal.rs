//! A terminal that is one of the standard streams.

use super::tools::{child, did, done};
use crate::attempt::{Family, Got, Stop, at, call, program};

pub(crate) const FAMILY: Family = Family {
    name: "terminals",
    attacks: &[
        program("typing at it (TIOCSTI)", |s| {
            s.enter()?;
            done(call!(SYS_ioctl, s.terminal, 0x5412, b"x"))
        }),
        program("its console's selection (TIOCLINUX)", |s| {
            s.enter()?;
            done(call!(SYS_ioctl, s.terminal, 0x541c, &[6_u8, 0]))
        }),
        program("its line discipline (TIOCSETD)", |s| {
            s.enter()?;
            // N_NULL
            did("it changed it", call!(SYS_ioctl, s.terminal, 0x5423, at(&27_i32)))
        }),
        program("becoming its session (TIOCSCTTY)", |s| {
            s.enter()?;
            // Stolen from the one that has it, by one that leads a session
            let status = child(|| {
                let _ = call!(SYS_setsid);
                i32::from(call!(SYS_ioctl, s.terminal, 0x540e, 1).is_err())
            })?;
            if status == 0 { Ok(Got::Did("it took it")) } else { Err(Stop::Nothing("refused")) }
        }),
        program("a signal by its size (TIOCSWINSZ)", |s| {
            s.enter()?;
            done(call!(SYS_ioctl, s.terminal, 0x5414, at(&[7_u16, 7, 7, 7])))
        }),
        program("closing it to others (TIOCEXCL)", |s| {
            s.enter()?;
            did("no other opens it", call!(SYS_ioctl, s.terminal, 0x540c, 0))
        }),
        program("hanging it up (TIOCVHANGUP)", |s| {
            s.enter()?;
            done(call!(SYS_ioctl, s.terminal, 0x5437, 0))
        }),
        program("the console's messages (TIOCCONS)", |s| {
            s.enter()?;
            did("it has them", call!(SYS_ioctl, s.terminal, 0x541d, 0))
        }),
        program("its group is sent SIGIO (O_ASYNC)", |s| {
            s.enter()?;
            done(call!(SYS_fcntl, s.terminal, libc::F_SETFL, libc::O_ASYNC | libc::O_RDWR))?;
            done(call!(SYS_ioctl, s.terminal, 0x5412, b"\n"))
        }),
        program("its group is sent SIGIO (FIOASYNC)", |s| {
            s.enter()?;
            done(call!(SYS_ioctl, s.terminal, 0x5452, at(&1_i32)))?;
            done(call!(SYS_ioctl, s.terminal, 0x5412, b"\n"))
        }),
        program("the request in bits above the number", |s| {
            s.enter()?;
            done(call!(SYS_ioctl, s.terminal, 0x1_0000_5412_u64, b"x"))
        }),
    ],
};
