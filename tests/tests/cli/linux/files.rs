//! What a program sees of the file system.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
};

use super::host::{Offers, at_both_levels, on_each};
use crate::deadline::{errors, output, text};

#[test]
fn a_file_that_is_granted_is_read_and_another_is_not() {
    at_both_levels(|host| {
        let granted = host.make_file("granted", "open\n");
        let other = host.make_file("other", "closed\n");
        let words = |path: &std::path::Path| {
            let granted = granted.as_os_str().to_owned();
            let mut words: Vec<std::ffi::OsString> =
                ["run", "--quiet", "--read"].map(Into::into).to_vec();
            words.extend([granted, "--".into(), "cat".into(), path.into()]);
            words
        };
        let read = output(&mut host.command(words(&granted)));
        assert_eq!((read.status.code(), text(&read).as_str()), (Some(0), "open\n"));
        for path in [other.as_path(), std::path::Path::new("/etc/passwd")] {
            let refused = output(&mut host.command(words(path)));
            assert_eq!(refused.status.code(), Some(1), "{}", path.display());
            assert!(refused.stdout.is_empty(), "{}", path.display());
        }
    });
}

#[test]
fn writing_works_where_it_is_granted_and_nowhere_else() {
    at_both_levels(|host| {
        let read = host.make_dir("read");
        let write = host.make_dir("write");
        let file = host.make_file("read/file", "old");
        let options = ["--read", read.to_str().unwrap(), "--write", write.to_str().unwrap()];
        let script = format!(
            "cd {write} && echo new > made && mkdir d && mv made d/moved && ln d/moved linked \
             && ln -s d/moved s && cat s && rm linked && rmdir d 2> /dev/null; \
             (echo x > {read}/made) 2> /dev/null && echo made; \
             (echo x > {file}) 2> /dev/null && echo wrote; \
             rm -f {file} 2> /dev/null && echo removed; \
             mv {file} {write}/ 2> /dev/null && echo moved; \
             (echo x > {outside}) 2> /dev/null; true",
            write = write.display(),
            read = read.display(),
            file = file.display(),
            outside = host.path("outside").display(),
        );
        let done = host.run(&options, &script);
        assert_eq!(text(&done), "new\n", "{}", errors(&done));
        assert_eq!(fs::read_to_string(write.join("d/moved")).unwrap(), "new\n");
        assert_eq!(fs::read_to_string(&file).unwrap(), "old");
        assert_eq!(fs::read_dir(&read).unwrap().count(), 1);
        assert!(!host.path("outside").exists());
    });
}

#[test]
fn a_file_alone_can_be_granted_for_writing() {
    at_both_levels(|host| {
        let file = host.make_file("file", "old");
        let script = format!("echo new > {}", file.display());
        let done = host.run(&["--write", file.to_str().unwrap()], &script);
        assert_eq!(done.status.code(), Some(0), "{}", errors(&done));
        assert_eq!(fs::read_to_string(&file).unwrap(), "new\n");
    });
}

#[test]
fn what_is_written_is_executed_only_if_it_is_granted_for_both() {
    at_both_levels(|host| {
        let dir = host.make_dir("dir");
        host.make_program("dir/program", "#!/bin/sh\necho executed\n");
        let dir = dir.to_str().unwrap();
        let script = format!("{dir}/program");
        let refused = host.run(&["--write", dir], &script);
        assert_eq!(refused.status.code(), Some(126), "{}", errors(&refused));
        let executed = host.run(&["--write", dir, "--read", dir], &script);
        assert_eq!(text(&executed), "executed\n", "{}", errors(&executed));
    });
}

#[test]
fn of_nested_grants_the_longest_decides() {
    at_both_levels(|host| {
        let outer = host.make_dir("outer");
        let inner = host.make_dir("outer/inner");
        let (outer, inner) = (outer.to_str().unwrap(), inner.to_str().unwrap());
        let write_both = format!("echo i > {inner}/file; echo o > {outer}/file");
        host.run(&["--read", outer, "--write", inner], &write_both);
        assert!(host.path("outer/inner/file").exists(), "writable in read-only");
        assert!(!host.path("outer/file").exists(), "writable in read-only");
    });
    on_each(&[Offers::All, Offers::NoUserNamespaces], |host| {
        let outer = host.make_dir("outer");
        let inner = host.make_dir("outer/inner");
        let (outer, inner) = (outer.to_str().unwrap(), inner.to_str().unwrap());
        let script = format!(
            "echo o > {outer}/file; echo i > {inner}/file; mv {inner} {outer}/away; rmdir {inner}"
        );
        host.run(&["--write", outer, "--read", inner], &script);
        assert!(host.path("outer/file").exists(), "read-only in writable");
        assert!(host.path("outer/inner").exists(), "read-only in writable");
        assert!(!host.path("outer/inner/file").exists(), "read-only in writable");
    });
}

#[test]
fn links_on_the_way_to_a_grant_are_there_in_the_sandbox() {
    at_both_levels(|host| {
        host.make_dir("real");
        host.make_file("real/file", "found\n");
        symlink("real", host.path("relative")).unwrap();
        symlink(host.path("relative"), host.path("absolute")).unwrap();
        let granted = host.path("absolute");
        let script = format!("cat {}/file", granted.display());
        let read = host.run(&["--read", granted.to_str().unwrap()], &script);
        assert_eq!(text(&read), "found\n", "{}", errors(&read));
    });
}

#[test]
fn a_link_that_a_program_plants_leads_nowhere() {
    at_both_levels(|host| {
        let out = host.make_dir("out");
        let secret = host.make_file("secret", "secret\n");
        let script = format!(
            "ln -s {secret} {out}/link; cat {out}/link; cat {out}/../secret",
            secret = secret.display(),
            out = out.display()
        );
        let read = host.run(&["--write", out.to_str().unwrap()], &script);
        assert_eq!(text(&read), "", "{}", errors(&read));
    });
}

#[test]
fn a_private_root_has_nothing_but_what_is_granted() {
    on_each(&[Offers::All, Offers::NoUserNamespaces], |host| {
        let listed = host.run(&[], "cd / && echo *; cd /dev && echo *; touch /x /dev/x; echo $?");
        let text = text(&listed);
        // Landlock passes no reading of directories that are not granted.
        assert!(!text.contains("home") && !text.contains("root"), "{text}");
        assert!(text.ends_with("1\n"), "{text}");
        let device =
            host.run(&[], "cat /dev/null && head -c 4 /dev/urandom | wc -c && echo > /dev/full");
        assert_eq!(crate::deadline::text(&device).trim(), "4", "{}", errors(&device));
        assert_ne!(device.status.code(), Some(0), "/dev/full is full");
        let scratch = host.run(&[], "echo kept > /tmp/file && cat /tmp/file && ls /tmp");
        assert_eq!(crate::deadline::text(&scratch), "kept\nfile\n", "{}", errors(&scratch));
    });
}

#[test]
fn proc_shows_only_the_programs_own_processes() {
    on_each(&[Offers::All, Offers::NoUserNamespaces], |host| {
        let none = host.run(&[], "test -e /proc/self");
        assert_eq!(none.status.code(), Some(1));
        let script = "ls -d /proc/[0-9]* | wc -l; cat /proc/1/environ; echo x > /proc/1/comm; \
                      test -e /proc/sys && echo settings; true";
        let shown = host.run(&["--proc"], script);
        let count: usize = text(&shown).trim().parse().unwrap_or(usize::MAX);
        // The supervisor, the shell, ls, wc.
        assert!((2..=4).contains(&count), "{}{}", text(&shown), errors(&shown));
    });
}

#[test]
fn a_program_has_no_privileges_and_its_own_ids() {
    on_each(&[Offers::All, Offers::NoUserNamespaces], |host| {
        let script = "grep -E '^(Cap...|NoNewPrivs|Seccomp):' /proc/self/status; id -u";
        let shown = text(&host.run(&["--proc"], script));
        for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
            assert!(shown.contains(&format!("{set}:\t0000000000000000")), "{shown}");
        }
        assert!(shown.contains("NoNewPrivs:\t1") && shown.contains("Seccomp:\t2"), "{shown}");
        // SAFETY: always succeeds.
        let own = host.user.unwrap_or_else(|| unsafe { libc::geteuid() });
        assert!(shown.ends_with(&format!("\n{own}\n")), "{shown}");
    });
}

#[test]
fn a_path_that_the_user_may_not_read_is_named_and_nothing_is_run() {
    at_both_levels(|host| {
        if host.user.is_none() {
            return;
        }
        let closed = host.path("closed");
        fs::create_dir(&closed).unwrap();
        fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).unwrap();
        for option in ["--read", "--write"] {
            let refused = host.run(&[option, closed.to_str().unwrap()], "echo was run");
            assert_eq!(refused.status.code(), Some(125));
            assert!(errors(&refused).contains("closed: Permission denied"), "{}", errors(&refused));
            assert!(refused.stdout.is_empty());
        }
    });
}

#[test]
fn the_hosts_processes_cannot_be_granted() {
    at_both_levels(|host| {
        let refused = host.run(&["--read", "/proc"], "echo was run");
        assert_eq!(refused.status.code(), Some(125));
        assert!(errors(&refused).contains("use --proc"), "{}", errors(&refused));
        assert!(refused.stdout.is_empty());
    });
}
