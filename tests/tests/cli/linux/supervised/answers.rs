//! Right answers: what the kernel would say, and its errors.

use std::{fs, os::unix::fs::MetadataExt, path::Path, time::UNIX_EPOCH};

use super::{
    as_expected, mode, within,
    within::{
        CWD, EMPTY, NOFOLLOW, NOWHERE, PATH, edge, name, open, put_before, say, size, status,
        string, sys, tell, with,
    },
};

#[allow(clippy::too_many_lines)] // A list.
fn questions(base: &Path) {
    let [read, write] = ["in", "out"].map(|name| base.join(name));
    let file = read.join("file");
    tell("size", size(CWD, &file, 0));
    tell("size through a link", size(CWD, read.join("link"), 0));
    tell("size of a link", size(CWD, read.join("link"), NOFOLLOW));
    tell("size through an absolute link", size(CWD, read.join("absolute"), 0));
    tell("size through a link to another grant", size(CWD, read.join("across"), 0));
    tell("size by dots", size(CWD, read.join("dir/sub/../../file"), 0));
    tell("size by dots into another grant", size(CWD, read.join("dir/../../out/file"), 0));
    tell("a loop", size(CWD, read.join("loop"), 0));
    tell("an absolute loop", size(CWD, read.join("circle"), 0));
    tell("nothing there", size(CWD, read.join("none"), 0));
    tell("beneath a file", size(CWD, read.join("file/none"), 0));
    tell("a file with a slash", size(CWD, base.join("in/file/"), 0));
    tell("no path", size(CWD, "", 0));
    tell("a long name", size(CWD, read.join("n".repeat(300)), 0));
    tell("a long path", size(CWD, "/n".repeat(2048), 0));
    tell("unknown flags", size(CWD, &file, 0x4_0000));
    tell("no such descriptor", size(999, "file", 0));
    tell("a negative descriptor", size(-7_i32 as usize, "file", 0));
    let directory = open(&read, libc::O_RDONLY | libc::O_DIRECTORY).unwrap();
    let opened = open(&file, libc::O_RDONLY).unwrap();
    tell("size from a directory", size(directory, "dir/../link", 0));
    tell("a path from a file", size(opened, "file", 0));
    tell("size of what is open", size(opened, "", EMPTY));
    let mut room = [0_u8; 256];
    let to = room.as_mut_ptr().addr();
    tell("what is open, without a path", sys(libc::SYS_newfstatat, &[opened, 0, to, EMPTY]));
    tell("no path and no flag", sys(libc::SYS_newfstatat, &[opened, 0, to, 0]));
    tell("chdir", with(libc::SYS_chdir, read.join("dir/sub"), &[PATH]));
    tell("size from here", size(CWD, "../../file", 0));
    tell("size of here", status(CWD, ".", 0).map(|status| status.st_mode.into()));
    tell("chdir to the root", with(libc::SYS_chdir, "/", &[PATH]));
    let relative = file.strip_prefix("/").unwrap();
    tell("size from the root", size(CWD, relative, 0));
    let above = status(CWD, "/", 0);
    tell("the root is a directory that may be searched", above.map(|status| status.st_mode.into()));
    tell("and nothing else is told", above.map(|status| status.st_mtime + status.st_size));
    tell("its inode is right", above.map(|status| status.st_ino.cast_signed()));
    // Memory.
    tell("a path nowhere", sys(libc::SYS_newfstatat, &[CWD, NOWHERE, to, 0]));
    tell("room nowhere", with(libc::SYS_newfstatat, &file, &[CWD, PATH, NOWHERE, 0]));
    let edge = edge();
    let whole = put_before(edge, string(&file).as_bytes_with_nul());
    tell("a path that ends with its page", sys(libc::SYS_newfstatat, &[CWD, whole, to, 0]));
    let cut = put_before(edge, string(&file).as_bytes());
    tell("a path that does not end", sys(libc::SYS_newfstatat, &[CWD, cut, to, 0]));
    tell("too little room", with(libc::SYS_newfstatat, &file, &[CWD, PATH, edge - 8, 0]));
    // statx(2)
    let call = [CWD, PATH, 0, 0x7ff, to];
    tell("statx", with(libc::SYS_statx, &file, &call));
    say("its size", u64::from_ne_bytes(room[40..48].try_into().unwrap()).to_string());
    tell("statx of what is reserved", with(libc::SYS_statx, &file, &[CWD, PATH, 0, 1 << 31, to]));
    // access(2)
    for (what, mode) in [("there", 0), ("read", 4), ("write", 2), ("mode 8", 8)] {
        tell(&format!("access: {what}"), with(libc::SYS_faccessat, &file, &[CWD, PATH, mode]));
    }
    let made = write.join("file");
    tell("access: write out", with(libc::SYS_faccessat, &made, &[CWD, PATH, 2]));
    with(libc::SYS_fchmodat, &made, &[CWD, PATH, 0o755]).unwrap();
    tell("access: execute out", with(libc::SYS_faccessat, &made, &[CWD, PATH, 1]));
    tell("access: execute", with(libc::SYS_faccessat, base.join("probe"), &[CWD, PATH, 1]));
    tell(
        "access: write through a link",
        with(libc::SYS_faccessat, read.join("across"), &[CWD, PATH, 2]),
    );
    tell("access: above", with(libc::SYS_faccessat, "/", &[CWD, PATH, 1]));
    tell("access: read above", with(libc::SYS_faccessat, "/", &[CWD, PATH, 4]));
    tell(
        "access: effective",
        with(libc::SYS_faccessat2, &file, &[CWD, PATH, 4, libc::AT_EACCESS as usize]),
    );
    // readlink(2)
    let link = read.join("link");
    tell("readlink", with(libc::SYS_readlinkat, &link, &[CWD, PATH, to, 256]));
    say("its text", String::from_utf8_lossy(&room[..4]).into_owned());
    tell("readlink, cut", with(libc::SYS_readlinkat, &link, &[CWD, PATH, to, 3]));
    tell("readlink into nothing", with(libc::SYS_readlinkat, &link, &[CWD, PATH, to, 0]));
    tell("readlink of a file", with(libc::SYS_readlinkat, &file, &[CWD, PATH, to, 256]));
    tell("readlink above", with(libc::SYS_readlinkat, "/", &[CWD, PATH, to, 256]));
    // getcwd(2)
    tell("getcwd", sys(libc::SYS_getcwd, &[to, 256]));
    tell("getcwd without room", sys(libc::SYS_getcwd, &[to, 1]));
    // Attributes: the file system need not have any.
    let none = string("user.none");
    let called = with(libc::SYS_getxattr, &file, &[PATH, none.as_ptr().addr(), to, 8]);
    say(
        "no such attribute",
        format!("{}", matches!(called, Err(libc::ENODATA | libc::EOPNOTSUPP))),
    );
    let long = string("user.".to_owned() + &"n".repeat(400));
    tell("a long attribute", with(libc::SYS_getxattr, &file, &[PATH, long.as_ptr().addr(), to, 8]));
    tell("attributes above", with(libc::SYS_listxattr, "/", &[PATH, to, 8]));
    let huge = with(libc::SYS_listxattr, &file, &[PATH, to, 1 << 40]);
    say("a huge list", format!("{}", huge.is_ok() || huge == Err(libc::EOPNOTSUPP)));
    tell("statfs", with(libc::SYS_statfs, &file, &[PATH, to]));
    // inotify(7)
    let by = usize::try_from(sys(libc::SYS_inotify_init1, &[0]).unwrap()).unwrap();
    tell("a watch", with(libc::SYS_inotify_add_watch, &read, &[by, PATH, 2]));
    tell("a watch by no watcher", with(libc::SYS_inotify_add_watch, &read, &[opened, PATH, 2]));
}

#[test]
fn questions_are_answered_as_by_the_kernel() {
    let test = "linux::supervised::answers::questions_are_answered_as_by_the_kernel";
    within(test, questions, |_, said| {
        let inode = fs::metadata("/").unwrap().ino().to_string();
        as_expected(
            said,
            &[
                ("size", "10"),
                ("size through a link", "10"),
                ("size of a link", "4"),
                ("size through an absolute link", "10"),
                ("size through a link to another grant", "5"),
                ("size by dots", "10"),
                ("size by dots into another grant", "5"),
                ("a loop", "ELOOP"),
                ("an absolute loop", "ELOOP"),
                ("nothing there", "ENOENT"),
                ("beneath a file", "ENOTDIR"),
                ("a file with a slash", "ENOTDIR"),
                ("no path", "ENOENT"),
                ("a long name", "ENAMETOOLONG"),
                ("a long path", "ENAMETOOLONG"),
                ("unknown flags", "EINVAL"),
                ("no such descriptor", "EBADF"),
                ("a negative descriptor", "EBADF"),
                ("size from a directory", "10"),
                ("a path from a file", "ENOTDIR"),
                ("size of what is open", "10"),
                ("what is open, without a path", "0"),
                ("no path and no flag", "EFAULT"),
                ("chdir", "0"),
                ("size from here", "10"),
                ("size of here", &(libc::S_IFDIR | 0o755).to_string()),
                ("chdir to the root", "0"),
                ("size from the root", "10"),
                (
                    "the root is a directory that may be searched",
                    &(libc::S_IFDIR | 0o555).to_string(),
                ),
                ("and nothing else is told", "0"),
                ("its inode is right", &inode),
                ("a path nowhere", "EFAULT"),
                ("room nowhere", "EFAULT"),
                ("a path that ends with its page", "0"),
                ("a path that does not end", "EFAULT"),
                ("too little room", "EFAULT"),
                ("statx", "0"),
                ("its size", "10"),
                ("statx of what is reserved", "EINVAL"),
                ("access: there", "0"),
                ("access: read", "0"),
                ("access: write", "EROFS"),
                ("access: mode 8", "EINVAL"),
                ("access: write out", "0"),
                ("access: execute out", "EACCES"),
                ("access: execute", "0"),
                ("access: write through a link", "0"),
                ("access: above", "0"),
                ("access: read above", "EACCES"),
                ("access: effective", "0"),
                ("readlink", "4"),
                ("its text", "file"),
                ("readlink, cut", "3"),
                ("readlink into nothing", "EINVAL"),
                ("readlink of a file", "EINVAL"),
                ("readlink above", "EINVAL"),
                ("getcwd", "2"),
                ("getcwd without room", "ERANGE"),
                ("no such attribute", "true"),
                ("a long attribute", "ERANGE"),
                ("attributes above", "0"),
                ("a huge list", "true"),
                ("statfs", "0"),
                ("a watch", "1"),
                ("a watch by no watcher", "EINVAL"),
            ],
        );
    });
}

fn references(base: &Path) {
    let read = base.join("in");
    let file = read.join("file");
    let (path, cloexec) = (libc::O_PATH, libc::O_CLOEXEC);
    let flags = |number: usize| sys(libc::SYS_fcntl, &[number, libc::F_GETFD as usize]);
    let size_of = |number| size(number, "", EMPTY);
    tell("a file", open(&file, path).and_then(size_of));
    tell("kept by execution", open(&file, path).and_then(flags));
    tell("closed by execution", open(&file, path | cloexec).and_then(flags));
    let directory = open(&read, path).unwrap();
    tell("from a directory", size(directory, "file", 0));
    tell(
        "opened from a directory",
        with(libc::SYS_openat, "file", &[directory, PATH, 0]).map(|_| 0),
    );
    tell("fchdir", sys(libc::SYS_fchdir, &[directory]));
    tell("from here", size(CWD, "link", 0));
    tell("no directory", open(&file, path | libc::O_DIRECTORY).map(|_| 0));
    tell("a link", open(read.join("link"), path).and_then(size_of));
    tell("a link itself", open(read.join("link"), path | libc::O_NOFOLLOW).map(|_| 0));
    tell("above", open("/", path).map(|_| 0));
    let open2 = |at: &Path, how: [u64; 4], size: usize| {
        with(libc::SYS_openat2, at, &[directory, PATH, how.as_ptr().addr(), size])
    };
    let how = |flags: i32, resolve| [flags as u64, 0, resolve, 0];
    let whole = |result: Result<i64, i32>| {
        result.and_then(|number| size_of(usize::try_from(number).unwrap()))
    };
    let (beneath, unlinked) = (libc::RESOLVE_BENEATH, libc::RESOLVE_NO_SYMLINKS);
    tell("openat2", whole(open2(Path::new("dir/../link"), how(path, 0), 24)));
    tell("openat2 beneath", whole(open2(Path::new("link"), how(path, beneath), 24)));
    tell("openat2 and out", open2(Path::new("../out/file"), how(path, beneath), 24));
    tell("openat2 and across", whole(open2(Path::new("../out/file"), how(path, 0), 24)));
    tell("openat2 in its root", whole(open2(Path::new("/../file"), how(path, 16), 24)));
    tell("openat2 without links", open2(Path::new("link"), how(path, unlinked), 24));
    let across = open2(&read.join("across"), how(path, unlinked), 24);
    tell("openat2 without links, across", across);
    let there = "../in/".repeat(12) + "link";
    tell("openat2 without links, step by step", open2(Path::new(&there), how(path, unlinked), 24));
    tell("openat2 step by step", whole(open2(Path::new(&there), how(path, 0), 24)));
    tell("openat2 for reading", open2(Path::new("file"), how(0, 0), 24));
    tell("openat2, short", open2(Path::new("file"), how(path, 0), 16));
    tell("openat2, longer", whole(open2(Path::new("file"), how(path, 0), 32)));
    tell("openat2, newer", open2(Path::new("file"), [path as u64, 0, 0, 1], 32));
    tell("openat2, huge", open2(Path::new("file"), how(path, 0), 1 << 20));
    tell("openat2 with a mode", open2(Path::new("file"), [path as u64, 0o644, 0, 0], 24));
    tell("openat2, unknown", open2(Path::new("file"), how(path, 1 << 40), 24));
    // Until there is no number left: the error is the caller's.
    let few = libc::rlimit { rlim_cur: 64, rlim_max: 64 };
    let resource = libc::RLIMIT_NOFILE as usize;
    sys(libc::SYS_prlimit64, &[0, resource, (&raw const few).addr(), 0]).unwrap();
    let last = (0..100).map(|_| open(&file, path)).find(Result::is_err).unwrap();
    tell("no number left", last.map(|_| 0));
}

#[test]
fn references_are_handed_out_and_close_on_exec_is_kept() {
    let test = "linux::supervised::answers::references_are_handed_out_and_close_on_exec_is_kept";
    within(test, references, |_, said| {
        as_expected(
            said,
            &[
                ("a file", "10"),
                ("kept by execution", "0"),
                ("closed by execution", "1"),
                ("from a directory", "10"),
                ("opened from a directory", "0"),
                ("fchdir", "0"),
                ("from here", "10"),
                ("no directory", "ENOTDIR"),
                ("a link", "10"),
                ("a link itself", "EOPNOTSUPP"),
                ("above", "EACCES"),
                ("openat2", "10"),
                ("openat2 beneath", "10"),
                ("openat2 and out", "EXDEV"),
                ("openat2 and across", "5"),
                ("openat2 in its root", "10"),
                ("openat2 without links", "ELOOP"),
                ("openat2 without links, across", "ELOOP"),
                ("openat2 without links, step by step", "ELOOP"),
                ("openat2 step by step", "10"),
                ("openat2 for reading", "ENOSYS"),
                ("openat2, short", "EINVAL"),
                ("openat2, longer", "10"),
                ("openat2, newer", "E2BIG"),
                ("openat2, huge", "E2BIG"),
                ("openat2 with a mode", "EINVAL"),
                ("openat2, unknown", "EINVAL"),
                ("no number left", "error 24"),
            ],
        );
    });
}

fn changes(base: &Path) {
    let [read, write] = ["in", "out"].map(|name| base.join(name));
    let (file, other) = (write.join("file"), write.join("other"));
    // SAFETY: always succeed.
    let own = unsafe { [libc::getuid(), libc::getgid()] }.map(|id| id as usize);
    let now = |name: &str, path: &Path| {
        let status = status(CWD, path, 0).unwrap();
        say(name, format!("{} {}", status.st_atime, status.st_mtime));
    };
    tell("chmod", with(libc::SYS_fchmodat, &file, &[CWD, PATH, 0o640]));
    tell(
        "chmod through a link",
        with(libc::SYS_fchmodat, read.join("across"), &[CWD, PATH, 0o600]),
    );
    tell("chown", with(libc::SYS_fchownat, &file, &[CWD, PATH, own[0], own[1], 0]));
    let times: [[i64; 2]; 2] = [[11, 0], [22, 0]];
    let at = times.as_ptr().addr();
    tell("utimensat", with(libc::SYS_utimensat, &file, &[CWD, PATH, at, 0]));
    now("its times", &file);
    tell("utimensat with flags", with(libc::SYS_utimensat, &file, &[CWD, PATH, at, 2]));
    let opened = open(&other, libc::O_RDWR).unwrap();
    tell("futimens", sys(libc::SYS_utimensat, &[opened, 0, at, 0]));
    now("the other's times", &other);
    tell("fchmod", sys(libc::SYS_fchmod, &[opened, 0o604]));
    tell("fchown", sys(libc::SYS_fchown, &[opened, own[0], own[1]]));
    #[cfg(target_arch = "x86_64")]
    {
        let seconds: [i64; 2] = [33, 44];
        tell("utime", with(libc::SYS_utime, &file, &[PATH, seconds.as_ptr().addr()]));
        now("times by utime", &file);
        let micros: [[i64; 2]; 2] = [[55, 999_999], [66, 0]];
        tell("utimes", with(libc::SYS_utimes, &file, &[PATH, micros.as_ptr().addr()]));
        now("times by utimes", &file);
        let wrong: [[i64; 2]; 2] = [[55, 1_000_000], [66, 0]];
        tell("utimes, wrong", with(libc::SYS_utimes, &file, &[PATH, wrong.as_ptr().addr()]));
    }
    tell("a bad descriptor", sys(libc::SYS_fchmod, &[999, 0o600]));
    // Attributes: the file system need not have any.
    let called = string("user.test");
    let called = called.as_ptr().addr();
    let value = b"value";
    let set =
        |size| with(libc::SYS_setxattr, &file, &[PATH, called, value.as_ptr().addr(), size, 0]);
    let mut room = [0_u8; 8];
    let to = room.as_mut_ptr().addr();
    let has = set(5);
    if has == Err(libc::EOPNOTSUPP) {
        println!("SKIPPED: attributes: the file system has none");
        for name in ["set", "get", "get into little", "length", "removed", "fset"] {
            say(&format!("attribute: {name}"), "EOPNOTSUPP");
        }
    } else {
        tell("attribute: set", has);
        tell("attribute: get", with(libc::SYS_getxattr, &file, &[PATH, called, to, 8]));
        tell("attribute: get into little", with(libc::SYS_getxattr, &file, &[PATH, called, to, 2]));
        tell("attribute: length", with(libc::SYS_getxattr, &file, &[PATH, called, 0, 0]));
        tell("attribute: removed", with(libc::SYS_removexattr, &file, &[PATH, called]));
        tell(
            "attribute: fset",
            sys(libc::SYS_fsetxattr, &[opened, called, value.as_ptr().addr(), 5, 0]),
        );
    }
    tell("attribute: too large", set(65_537));
    tell("attribute: enormous", set(usize::MAX / 2));
    say("end", name(Ok(0)));
}

#[test]
fn what_may_be_written_may_be_altered() {
    let test = "linux::supervised::answers::what_may_be_written_may_be_altered";
    within(test, changes, |host, said| {
        let has = said.get("attribute: set").map(String::as_str) != Some("EOPNOTSUPP");
        let attribute = |expected| if has { expected } else { "EOPNOTSUPP" };
        let mut expected = vec![
            ("chmod", "0"),
            ("chmod through a link", "0"),
            ("chown", "0"),
            ("utimensat", "0"),
            ("its times", "11 22"),
            ("utimensat with flags", "EINVAL"),
            ("futimens", "0"),
            ("the other's times", "11 22"),
            ("fchmod", "0"),
            ("fchown", "0"),
            ("a bad descriptor", "EBADF"),
            ("attribute: set", attribute("0")),
            ("attribute: get", attribute("5")),
            ("attribute: get into little", attribute("ERANGE")),
            ("attribute: length", attribute("5")),
            ("attribute: removed", attribute("0")),
            ("attribute: fset", attribute("0")),
            ("attribute: too large", "E2BIG"),
            ("attribute: enormous", "E2BIG"),
            ("end", "0"),
        ];
        if cfg!(target_arch = "x86_64") {
            expected.extend([
                ("utime", "0"),
                ("times by utime", "33 44"),
                ("utimes", "0"),
                ("times by utimes", "55 66"),
                ("utimes, wrong", "EINVAL"),
            ]);
        }
        as_expected(said, &expected);
        assert_eq!(mode(&host.path("out/file")), 0o600);
        assert_eq!(mode(&host.path("out/other")), 0o604);
        let other = fs::metadata(host.path("out/other")).unwrap().modified().unwrap();
        assert_eq!(other.duration_since(UNIX_EPOCH).unwrap().as_secs(), 22);
    });
}
