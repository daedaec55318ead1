//! Privileges, and execution of what nobody granted.

use std::{
    env, fs,
    io::Write as _,
    os::{
        fd::FromRawFd,
        unix::{fs::OpenOptionsExt, process::CommandExt},
    },
    path::Path,
    process::{Command, Stdio},
};

use super::{Arg, Attempt, Stopped, call, files, stopped};
use crate::{args::AttackOptions, demo::outcome::Outcome};

pub(super) fn become_other(_: &AttackOptions) -> Attempt {
    // SAFETY: always succeeds.
    let own = unsafe { libc::getuid() };
    let other = i64::from(own == 0);
    let arguments = &mut [Arg::Int(other), Arg::Int(other), Arg::Int(other)];
    call("setresuid", libc::SYS_setresuid, arguments)?;
    Ok(Outcome::Did(format!("became {other}")))
}

pub(super) fn regain_capability(_: &AttackOptions) -> Attempt {
    // Version 3 of the header; CAP_SYS_ADMIN is bit 21.
    let header = [0x2008_0522_u32.to_ne_bytes(), [0; 4]].concat();
    let admin = (1_u32 << 21).to_ne_bytes();
    let sets = [admin, admin, [0; 4], [0; 4], [0; 4], [0; 4]].concat();
    call("capset", libc::SYS_capset, &mut [Arg::In(&header), Arg::In(&sets)])?;
    Ok(Outcome::Did("has CAP_SYS_ADMIN".to_owned()))
}

/// The file of this program.
fn own_file() -> Result<Vec<u8>, Stopped> {
    let path = env::args_os().next().unwrap_or_default();
    fs::read(path).map_err(stopped("read"))
}

pub(super) fn written(options: &AttackOptions) -> Attempt {
    let path = options.out.join("written");
    let mut file = fs::File::options()
        .write(true)
        .create_new(true)
        .mode(0o755)
        .open(&path)
        .map_err(stopped("open"))?;
    file.write_all(&own_file()?).map_err(stopped("write"))?;
    drop(file);
    let error = Command::new(&path).arg("--version").stdout(Stdio::null()).exec();
    let _ = fs::remove_file(&path);
    Err(stopped("execve")(error))
}

pub(super) fn memfd(_: &AttackOptions) -> Attempt {
    let bytes = own_file()?;
    let arguments = &mut [Arg::Text(c"demo"), Arg::Int(0)];
    let number = call("memfd_create", libc::SYS_memfd_create, arguments)?;
    let number = i32::try_from(number).unwrap_or(-1);
    // SAFETY: the kernel just returned this descriptor and nothing else knows of it.
    let mut file = unsafe { fs::File::from_raw_fd(number) };
    file.write_all(&bytes).map_err(stopped("write"))?;
    let name = env::args_os().next().unwrap_or_default();
    let name = files::text(Path::new(&name))?;
    let arguments =
        [name.as_ptr().expose_provenance(), c"--version".as_ptr().expose_provenance(), 0];
    let arguments: Vec<u8> = arguments.iter().flat_map(|word| word.to_ne_bytes()).collect();
    let environment = [0; 8];
    // SAFETY: takes no pointer.
    unsafe { libc::close(1) };
    call(
        "execveat",
        libc::SYS_execveat,
        &mut [
            Arg::Int(number.into()),
            Arg::Text(c""),
            Arg::In(&arguments),
            Arg::In(&environment),
            Arg::Int(libc::AT_EMPTY_PATH.into()),
        ],
    )?;
    Ok(Outcome::Did("executed".to_owned()))
}
