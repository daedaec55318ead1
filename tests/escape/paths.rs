//! Lookups that lead out of what is granted.

use std::{
    ffi::CString,
    fs::{self, File},
    io::{self, Write},
    os::{
        fd::{AsRawFd, OwnedFd, RawFd},
        unix::ffi::OsStrExt,
    },
    path::Path,
};

use capsicum_rs::{
    Rights, Sandbox,
    program::{Names, Program},
};

use crate::{
    harness::{Case, Done, Outcome, in_child, prepared, refused},
    raw::{self, address, call, number, opened, text},
};

pub(crate) const CASES: &[Case] = &[
    Case {
        name: "a path that is absolute takes no rights of a number that names nothing",
        body: ceiling_by_absolute_path,
    },
    Case {
        name: "a path that is absolute takes no rights of a descriptor that is no directory",
        body: file_by_absolute_path,
    },
    Case {
        name: "memory that may only be read is not opened again for writing",
        body: memory_again,
    },
    Case { name: "the other end of a pipe is not opened through procfs", body: pipe_again },
    Case { name: "anonymous memory is not executed through procfs", body: memory_executed },
    Case { name: "memory from before is not executed through procfs", body: old_memory_executed },
    Case { name: "a program without names of programs executes nothing", body: program_executes },
    Case { name: "no path outside of a directory is opened from it", body: outside },
    Case { name: "a file does not gain a right by moving to another directory", body: moved },
    Case { name: "a symbolic link out of a directory is of no use", body: planted_link },
    Case { name: "no device is made and opened beneath a directory", body: device },
    Case {
        name: "a child directory that is granted less keeps what its parent has not",
        body: nested,
    },
];

fn path(path: &Path) -> CString {
    CString::new(path.as_os_str().as_bytes()).unwrap_or_default()
}

fn openat(from: RawFd, name: &std::ffi::CStr, flags: i32) -> io::Result<OwnedFd> {
    opened(libc::SYS_openat, &[number(from), text(name), flags.cast_unsigned() as usize, 0o600])
}

fn directory(dir: &Path, name: &str) -> Result<File, String> {
    let path = dir.join(name);
    prepared("mkdir", fs::create_dir(&path))?;
    prepared("open", File::open(&path))
}

const LOOKS: Rights = Rights::LOOKUP.union(Rights::READ).union(Rights::FSTAT);

/// Landlock passes removal for moving out, and the filter sees a number with `UNLINKAT`.
fn ceiling_by_absolute_path(dir: &Path) -> Outcome {
    let from = directory(dir, "moved-from")?;
    let victim = dir.join("moved-from/victim");
    prepared("write", fs::write(&victim, "x"))?;
    let victim = path(&victim);
    let entered =
        Sandbox::new().grant(&from, Rights::RENAMEAT_SOURCE).ceiling(Rights::UNLINKAT).enter();
    if entered.is_err() {
        return Ok(Done::Held);
    }
    for none in [-1, 77, 1 << 20] {
        refused("unlinkat", call(libc::SYS_unlinkat, &[number(none), text(&victim), 0]))?;
    }
    Ok(Done::Held)
}

fn file_by_absolute_path(dir: &Path) -> Outcome {
    let from = directory(dir, "moved-from")?;
    let victim = dir.join("moved-from/victim");
    prepared("write", fs::write(&victim, "x"))?;
    let file = prepared("open", File::open(&victim))?;
    let victim = path(&victim);
    let entered =
        Sandbox::new().grant(&from, Rights::RENAMEAT_SOURCE).grant(&file, Rights::ALL).enter();
    if entered.is_err() {
        return Ok(Done::Held);
    }
    let removed = call(libc::SYS_unlinkat, &[number(file.as_raw_fd()), text(&victim), 0]);
    refused("unlinkat", removed)?;
    Ok(Done::Held)
}

const OPENS: Rights = LOOKS.union(Rights::WRITE).union(Rights::SEEK);

fn through_procfs(fd: RawFd) -> CString {
    CString::new(format!("/proc/self/fd/{fd}")).unwrap_or_default()
}

/// Memory and pipes are on no mount, and Landlock lets all such be opened.
fn memory_again(dir: &Path) -> Outcome {
    let memory = prepared("memfd_create", raw::memory())?;
    let from = directory(dir, "from")?;
    let link = through_procfs(memory.as_raw_fd());
    prepared(
        "symlink",
        std::os::unix::fs::symlink(link.to_str().unwrap_or(""), dir.join("from/link")),
    )?;
    let entered = Sandbox::new()
        .grant(&memory, Rights::READ | Rights::SEEK)
        .grant(&from, OPENS)
        .ceiling(OPENS.difference(Rights::LOOKUP))
        .enter();
    prepared("enter", entered)?;
    refused("a second descriptor", openat(from.as_raw_fd(), &link, libc::O_RDWR))?;
    refused("a second descriptor by a link", openat(from.as_raw_fd(), c"link", libc::O_RDWR))?;
    refused("by a number", openat(-1, &link, libc::O_RDWR | libc::O_CREAT))?;
    Ok(Done::Held)
}

fn pipe_again(dir: &Path) -> Outcome {
    let (_read, write) = prepared("pipe", raw::pipe())?;
    let from = directory(dir, "from")?;
    let link = through_procfs(write.as_raw_fd());
    let entered = Sandbox::new()
        .grant(&write, Rights::WRITE)
        .grant(&from, LOOKS | Rights::SEEK)
        .ceiling(Rights::READ)
        .enter();
    prepared("enter", entered)?;
    let flags = libc::O_RDONLY | libc::O_NONBLOCK;
    refused("the read end", openat(from.as_raw_fd(), &link, flags))?;
    Ok(Done::Held)
}

/// Whether the path is executed by execveat(2) from this descriptor, as a program that exits with 0.
fn executes(from: RawFd, path: &std::ffi::CStr) -> Result<bool, String> {
    let status = in_child(|| {
        let args = [path.as_ptr(), std::ptr::null()];
        let flags = libc::AT_EMPTY_PATH.cast_unsigned() as usize;
        let _ = call(
            libc::SYS_execveat,
            &[number(from), text(path), address(&args), address(&args[1]), flags],
        );
        false
    })?;
    // Not by the failure that the child reports.
    Ok(!(libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 1))
}

/// What is pinned may not be close-on-exec.
fn stays(file: &File) -> Result<(), String> {
    prepared(
        "F_SETFD",
        call(libc::SYS_fcntl, &[number(file.as_raw_fd()), libc::F_SETFD as usize, 0]),
    )
    .map(drop)
}

/// A program that exits with 0.
fn write_program(memory: &OwnedFd) -> Result<(), String> {
    let program = prepared("/bin/true", fs::read("/bin/true"))?;
    let mut file = File::from(prepared("dup", memory.try_clone())?);
    prepared("write", file.write_all(&program))
}

fn memory_executed(_: &Path) -> Outcome {
    let program = prepared("open", File::open("/bin/true"))?;
    // The loader and the libraries of the program that is tried.
    let usr = prepared("open", File::open("/usr"))?;
    stays(&program)?;
    stays(&usr)?;
    let content = prepared("/bin/true", fs::read("/bin/true"))?;
    let uses = Rights::READ | Rights::WRITE | Rights::SEEK | Rights::MMAP_R;
    let entered = Sandbox::new()
        .grant(&program, Rights::FEXECVE | Rights::READ)
        .grant(&usr, LOOKS | Rights::FEXECVE | Rights::MMAP_RX | Rights::WRITE)
        .ceiling(uses)
        .enter();
    if let Err(error) = entered {
        return Ok(Done::Skipped(error.to_string()));
    }
    let Ok(memory) = raw::memory() else { return Ok(Done::Held) };
    let written = call(
        libc::SYS_write,
        &[number(memory.as_raw_fd()), content.as_ptr() as usize, content.len()],
    );
    prepared("write", written)?;
    let link = through_procfs(memory.as_raw_fd());
    // A descriptor that is open for writing is busy.
    let read_only = openat(usr.as_raw_fd(), &link, libc::O_RDONLY);
    if let Ok(read_only) = read_only {
        drop(memory);
        let link = through_procfs(read_only.as_raw_fd());
        if executes(program.as_raw_fd(), &link)? {
            return Err("memory was executed".to_owned());
        }
    }
    Ok(Done::Held)
}

fn old_memory_executed(_: &Path) -> Outcome {
    let memory = prepared("memfd_create", raw::memory())?;
    write_program(&memory)?;
    let link = through_procfs(memory.as_raw_fd());
    let memory = prepared("open", File::open(link.to_str().unwrap_or("")))?;
    let link = through_procfs(memory.as_raw_fd());
    // Nothing is left that is open for writing.
    let program = prepared("open", File::open("/bin/true"))?;
    let usr = prepared("open", File::open("/usr"))?;
    for file in [&memory, &program, &usr] {
        stays(file)?;
    }
    let entered = Sandbox::new()
        .grant(&memory, Rights::READ)
        .grant(&program, Rights::FEXECVE | Rights::READ)
        .grant(&usr, LOOKS | Rights::FEXECVE | Rights::MMAP_RX)
        .enter();
    if entered.is_err() {
        return Ok(Done::Held);
    }
    if executes(program.as_raw_fd(), &link)? {
        return Err("memory was executed".to_owned());
    }
    Ok(Done::Held)
}

fn program_executes(_: &Path) -> Outcome {
    let root = prepared("open", File::open("/"))?;
    let confined = Program::new(Names::PATHS | Names::METADATA)
        .beneath(&root, Rights::READ | Rights::LOOKUP | Rights::FEXECVE)
        .enter();
    prepared("confine", confined)?;
    if executes(root.as_raw_fd(), c"/bin/true")? {
        return Err("/bin/true was executed by execveat".to_owned());
    }
    Ok(Done::Held)
}

fn outside(dir: &Path) -> Outcome {
    let inside = directory(dir, "inside")?;
    prepared("write", fs::write(dir.join("secret"), "x"))?;
    let secret = path(&dir.join("secret"));
    let write = path(&dir.join("written"));
    prepared("enter", capsicum_rs::enter())?;
    let fd = inside.as_raw_fd();
    for from in [fd, -1, 1 << 20, i32::MIN] {
        refused("an absolute path", openat(from, &secret, libc::O_RDONLY))?;
        refused("creating", openat(from, &write, libc::O_WRONLY | libc::O_CREAT))?;
    }
    refused("`..`", openat(fd, c"../secret", libc::O_RDONLY))?;
    refused("the directory above", openat(fd, c"..", libc::O_RDONLY | libc::O_DIRECTORY))?;
    refused("by O_PATH", openat(fd, c"..", libc::O_PATH))?;
    refused("access mode 3", openat(fd, c"../secret", 3))?;
    refused("O_TMPFILE", openat(fd, c"..", libc::O_TMPFILE | libc::O_RDWR))?;
    refused("memory of itself", openat(fd, c"/proc/self/mem", libc::O_RDWR))?;
    refused("the parent's", openat(fd, c"/proc/1/environ", libc::O_RDONLY))?;
    refused("the root", openat(fd, c"/proc/self/root", libc::O_RDONLY))?;
    refused("AT_FDCWD, high half", call(libc::SYS_openat, &[0xffff_ff9c, text(&secret), 0]))?;
    Ok(Done::Held)
}

fn moved(dir: &Path) -> Outcome {
    let source = directory(dir, "source")?;
    let target = directory(dir, "target")?;
    prepared("write", fs::write(dir.join("source/file"), "x"))?;
    let ceiling = Rights::READ | Rights::WRITE | Rights::SEEK;
    let source_rights =
        ceiling.difference(Rights::WRITE) | Rights::RENAMEAT_SOURCE | Rights::LINKAT_SOURCE;
    let entered = Sandbox::new()
        .grant(&source, source_rights)
        .grant(
            &target,
            ceiling
                | Rights::RENAMEAT_TARGET
                | Rights::RENAMEAT_SOURCE
                | Rights::LINKAT_TARGET
                | Rights::LINKAT_SOURCE
                | Rights::UNLINKAT
                | Rights::CREATE,
        )
        .ceiling(Rights::READ | Rights::SEEK)
        .best_effort()
        .enter();
    prepared("enter", entered)?;
    let (from, to) = (number(source.as_raw_fd()), number(target.as_raw_fd()));
    let _ = call(libc::SYS_renameat, &[from, text(c"file"), to, text(c"file")]);
    let _ = call(libc::SYS_linkat, &[from, text(c"file"), to, text(c"file"), 0]);
    refused("writing", openat(target.as_raw_fd(), c"file", libc::O_RDWR))?;
    Ok(Done::Held)
}

fn planted_link(dir: &Path) -> Outcome {
    let inside = directory(dir, "inside")?;
    prepared("write", fs::write(dir.join("secret"), "x"))?;
    let secret = path(&dir.join("secret"));
    prepared("enter", capsicum_rs::enter())?;
    let fd = inside.as_raw_fd();
    for (target, name) in [(secret.as_c_str(), c"a"), (c"../secret", c"b"), (c"/", c"c")] {
        prepared("symlinkat", call(libc::SYS_symlinkat, &[text(target), number(fd), text(name)]))?;
    }
    refused("a link", openat(fd, c"a", libc::O_RDONLY))?;
    refused("a relative link", openat(fd, c"b", libc::O_RDWR))?;
    refused("a link to the root", openat(fd, c"c/etc/passwd", libc::O_RDONLY))?;
    refused("a link for creating", openat(fd, c"c/tmp/made", libc::O_WRONLY | libc::O_CREAT))?;
    let followed = call(
        libc::SYS_linkat,
        &[number(fd), text(c"a"), number(fd), text(c"d"), libc::AT_SYMLINK_FOLLOW as usize],
    );
    refused("linkat that follows", followed)?;
    Ok(Done::Held)
}

fn device(dir: &Path) -> Outcome {
    let inside = directory(dir, "inside")?;
    prepared("enter", capsicum_rs::enter())?;
    let zero = usize::try_from(libc::makedev(1, 5)).unwrap_or(0);
    for kind in [libc::S_IFCHR, libc::S_IFBLK] {
        let mode = (kind | 0o666) as usize;
        let made =
            call(libc::SYS_mknodat, &[number(inside.as_raw_fd()), text(c"device"), mode, zero]);
        refused("a device", made)?;
    }
    Ok(Done::Held)
}

fn nested(dir: &Path) -> Outcome {
    let outer = directory(dir, "outer")?;
    let inner = directory(&dir.join("outer"), "inner")?;
    prepared("write", fs::write(dir.join("outer/file"), "x"))?;
    let ceiling = Rights::READ | Rights::SEEK;
    let entered = Sandbox::new()
        .grant(&outer, LOOKS | Rights::SEEK)
        .grant(&inner, OPENS | Rights::CREATE | Rights::UNLINKAT)
        .ceiling(ceiling)
        .enter();
    prepared("enter", entered)?;
    let inner = inner.as_raw_fd();
    refused("writing above", openat(inner, c"../file", libc::O_RDWR))?;
    refused("creating above", openat(inner, c"../new", libc::O_RDWR | libc::O_CREAT))?;
    refused("removing above", call(libc::SYS_unlinkat, &[number(inner), text(c"../file"), 0]))?;
    refused(
        "creating below by the outer one",
        openat(outer.as_raw_fd(), c"inner/new", libc::O_RDWR | libc::O_CREAT),
    )?;
    Ok(Done::Held)
}
