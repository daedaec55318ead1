//! Ordinary programs, which work as they do in a private root.

use std::{fs, os::unix::fs::MetadataExt, path::Path, process::Output};

use super::super::host::{Host, Offers, on_each};
use crate::deadline::{errors, text};

/// Hosts on which metadata may be seen and altered: all but those without a supervisor.
const SEEING: [Offers; 3] = [Offers::All, Offers::NoUserNamespaces, Offers::NoNamespaces];

/// Whether a program is here; says so where it is not.
fn is_here(program: &str) -> bool {
    let here = Path::new(program).exists();
    if !here {
        println!("SKIPPED: {program} is not here");
    }
    here
}

/// Runs a script that may write one directory, from there.
fn run(host: &Host, directory: &Path, script: &str) -> Output {
    let directory = directory.to_str().unwrap();
    host.run(&["--write", directory, "--chdir", directory], script)
}

#[test]
fn the_shell_and_its_tools() {
    on_each(&SEEING, |host| {
        let out = host.make_dir("out");
        host.make_file("out/file", "text\n");
        host.make_file("outside", "text\n");
        let script = "chmod 640 file && cp -p file copy && mv copy moved && touch -d @7 moved \
                      && ln -s moved link && ls -l link moved > list && readlink -f link && pwd \
                      && test -L link && test -w moved && test ! -e ../outside && cd /usr/lib \
                      && pwd && cd - > /dev/null && mkdir -p a/b/c && cd a/b/c && cd ../.. \
                      && pwd && rm -r b && find . | wc -l && stat -c %a ../moved";
        let done = run(host, &out, script);
        let out = out.display();
        assert_eq!(
            text(&done),
            format!("{out}/moved\n{out}\n/usr/lib\n{out}/a\n1\n640\n"),
            "{}",
            errors(&done)
        );
        assert_eq!(errors(&done), "");
        let moved = fs::metadata(host.path("out/moved")).unwrap();
        assert_eq!((moved.mode() & 0o7777, moved.mtime()), (0o640, 7));
        let list = fs::read_to_string(host.path("out/list")).unwrap();
        assert!(list.contains("link -> moved"), "{list}");
        assert!(list.contains("-rw-r-----"), "{list}");
    });
}

#[test]
fn what_is_outside_is_not_there() {
    on_each(&SEEING, |host| {
        let out = host.make_dir("out");
        let outside = host.make_file("outside", "text\n");
        let script = format!(
            "ls -l {0}; stat {0}; chmod 777 {0}; touch -c {0}; ln -s {0} link; cat link; \
             chmod 777 link; cp -p {0} copy; test -e {0} && echo there; true",
            outside.display()
        );
        let before = fs::metadata(&outside).unwrap();
        let done = run(host, &out, &script);
        assert_eq!(text(&done), "", "{}", errors(&done));
        let after = fs::metadata(&outside).unwrap();
        assert_eq!((before.mode(), before.mtime()), (after.mode(), after.mtime()));
        assert!(!out.join("copy").exists());
    });
}

#[test]
fn of_nested_grants_the_longest_decides() {
    on_each(&SEEING, |host| {
        for directory in ["in", "in/out"] {
            host.make_dir(directory);
        }
        let [read, written] = ["in/file", "in/out/file"].map(|name| host.make_file(name, ""));
        std::os::unix::fs::symlink("out/file", host.path("in/link")).unwrap();
        let [outer, inner] = ["in", "in/out"].map(|name| host.path(name));
        let options = ["--read", outer.to_str().unwrap(), "--write", inner.to_str().unwrap()];
        let script = format!(
            "cd {}; chmod 600 out/file && test -w out/file && chmod 604 link && test -w link \
             && test -w out/../out/file && ! test -w file && ! test -w out/../file \
             && ! chmod 600 file 2> /dev/null && ! chmod 600 out/../file 2> /dev/null && echo done",
            outer.display()
        );
        let done = host.run(&options, &script);
        assert_eq!(text(&done), "done\n", "{}", errors(&done));
        assert_eq!(fs::metadata(written).unwrap().mode() & 0o7777, 0o604);
        assert_eq!(fs::metadata(read).unwrap().mode() & 0o7777, 0o644);
    });
}

#[test]
fn tar_packs_and_unpacks_with_modes_and_times() {
    if !is_here("/usr/bin/tar") {
        return;
    }
    on_each(&SEEING, |host| {
        let out = host.make_dir("out");
        for directory in ["out/tree", "out/tree/sub"] {
            host.make_dir(directory);
        }
        host.make_file("out/tree/sub/file", "text\n");
        let script = "chmod 640 tree/sub/file && touch -d @9 tree/sub/file && ln -s sub tree/link \
                      && tar -C tree -cf a.tar . && mkdir there && tar -C there -xpf a.tar \
                      && chmod 700 there/sub && tar -C there -df a.tar";
        let done = run(host, &out, script);
        // Of the difference that was made, and of nothing else.
        assert_eq!(text(&done), "./sub: Mode differs\n", "{}", errors(&done));
        assert_eq!(errors(&done), "");
        let file = fs::metadata(host.path("out/there/sub/file")).unwrap();
        assert_eq!((file.mode() & 0o7777, file.mtime()), (0o640, 9));
        assert_eq!(fs::read_link(host.path("out/there/link")).unwrap(), Path::new("sub"));
    });
}

#[test]
fn git_keeps_a_tree() {
    if !is_here("/usr/bin/git") {
        return;
    }
    on_each(&SEEING, |host| {
        let out = host.make_dir("out");
        host.make_dir("out/sub");
        host.make_file("out/sub/file", "text\n");
        let git = "git -c user.name=a -c user.email=a@b -c init.defaultBranch=main";
        let script = format!(
            "set -e; PATH=/usr/bin:/bin; {git} init -q; {git} add .; {git} commit -qm one; \
             {git} status --porcelain; echo more >> sub/file; cd sub; {git} status --porcelain; \
             {git} commit -qam two; {git} log --format=%s; {git} gc -q; {git} fsck; \
             {git} checkout -q HEAD~1; cat file"
        );
        let done = run(host, &out, &script);
        assert_eq!(text(&done), " M sub/file\ntwo\none\ntext\n", "{}", errors(&done));
    });
}

#[test]
fn python_asks_of_files() {
    if !is_here("/usr/bin/python3") {
        return;
    }
    on_each(&SEEING, |host| {
        let out = host.make_dir("out");
        host.make_dir("out/sub");
        host.make_file("out/sub/file", "text\n");
        let script = "import os, pathlib, shutil\n\
            print(os.getcwd() == os.path.realpath(\".\"), sorted(os.listdir(\".\")))\n\
            print(os.stat(\"sub/file\").st_size, os.access(\"sub\", os.W_OK))\n\
            shutil.copy2(\"sub/file\", \"copy\"); os.utime(\"copy\", (1, 2))\n\
            os.chmod(\"copy\", 0o600); print(oct(os.stat(\"copy\").st_mode), os.stat(\"copy\").st_mtime)\n\
            shutil.copytree(\"sub\", \"tree\"); print(sorted(map(str, pathlib.Path(\".\").rglob(\"*\"))))\n\
            shutil.rmtree(\"tree\"); print(pathlib.Path(\"/etc/passwd\").exists())\n";
        let file = host.make_file("out/script.py", script);
        let done = run(host, &out, &format!("python3 -I {}", file.display()));
        assert_eq!(
            text(&done),
            "True ['script.py', 'sub']\n5 True\n0o100600 2.0\n\
             ['copy', 'script.py', 'sub', 'sub/file', 'tree', 'tree/file']\nFalse\n",
            "{}",
            errors(&done)
        );
    });
}
