//! Real programs, and the demo.

use std::{fs, path::Path, process::Command};

use super::host::{Host, Offers, at_both_levels, on_each};
use crate::deadline::{errors, output, text};

#[test]
fn tar_and_gzip_do_their_work() {
    for tool in ["/usr/bin/tar", "/usr/bin/gzip"] {
        if !Path::new(tool).exists() {
            println!("SKIPPED: {tool} is not here");
            return;
        }
    }
    at_both_levels(|host| {
        let tree = host.make_dir("tree");
        let out = host.make_dir("out");
        host.make_file("tree/file", &"line\n".repeat(10_000));
        let options = ["--read", tree.to_str().unwrap(), "--write", out.to_str().unwrap()];
        let script = format!(
            "tar -C {tree} -czf {out}/a.tar.gz . && tar -tzf {out}/a.tar.gz && \
             gzip -dc {out}/a.tar.gz | wc -c",
            tree = tree.display(),
            out = out.display()
        );
        let packed = host.run(&options, &script);
        assert_eq!(packed.status.code(), Some(0), "{}", errors(&packed));
        assert!(text(&packed).contains("./file"), "{}", text(&packed));
        assert!(fs::metadata(out.join("a.tar.gz")).unwrap().len() > 100);
    });
}

#[test]
fn python_runs() {
    if !Path::new("/usr/bin/python3").exists() {
        println!("SKIPPED: /usr/bin/python3 is not here");
        return;
    }
    at_both_levels(|host| {
        let script = "import json, hashlib, subprocess, threading\n\
                      t = threading.Thread(target=lambda: print('thread')); t.start(); t.join()\n\
                      print(subprocess.check_output(['/bin/echo', 'child']).decode().strip())\n\
                      print(hashlib.sha256(b'').hexdigest()[:8])\n\
                      try: open('/etc/passwd')\n\
                      except OSError: print('refused')";
        let words =
            ["run", "--quiet", "--read", "/usr", "--read", "/bin", "--", "/usr/bin/python3"];
        let words = words.into_iter().chain(["-I", "-c", script]);
        let output = output(&mut host.command(words));
        assert_eq!(text(&output), "thread\nchild\ne3b0c442\nrefused\n", "{}", errors(&output));
    });
}

#[test]
fn the_built_in_packer_makes_archives_that_tar_reads() {
    if !Path::new("/usr/bin/tar").exists() {
        println!("SKIPPED: /usr/bin/tar is not here");
        return;
    }
    at_both_levels(|host| {
        let tree = host.make_dir("tree");
        let out = host.make_dir("out");
        let long = "n".repeat(150);
        host.make_file("tree/file", &"line\n".repeat(1000));
        host.make_file(&format!("tree/{long}"), "");
        let archive = out.join("a.tar");
        let (tree, out) = (tree.to_str().unwrap(), out.to_str().unwrap());
        let own = host.path("sandbox-spawn");
        let words = ["run", "--quiet", "--read", tree, "--write", out, "--"];
        let words = words.into_iter().chain([own.to_str().unwrap(), "pack", tree]);
        let packed = output(&mut host.command(words.chain([archive.to_str().unwrap()])));
        assert_eq!(packed.status.code(), Some(0), "{}", errors(&packed));
        let listed = output(Command::new("tar").arg("-tf").arg(&archive));
        let mut names: Vec<_> = text(&listed).lines().map(str::to_owned).collect();
        names.sort_unstable();
        assert_eq!(names, ["./file".to_owned(), format!("./{long}")], "{}", errors(&listed));
    });
}

/// Runs the demo on a small tree of its own.
fn demo(host: &Host, options: &[&str]) {
    host.make_dir("tree");
    host.make_file("tree/Cargo.toml", "[workspace]\n");
    host.make_dir("tree/src");
    host.make_file("tree/src/main.rs", "fn main() {}\n");
    let temporary = host.make_dir("temporary");
    let words = ["demo"].iter().chain(options);
    let mut command = host.command(words);
    command.current_dir(host.path("tree/src")).env("TMPDIR", &temporary);
    let output = output(&mut command);
    let text = text(&output);
    assert_eq!(output.status.code(), Some(0), "{text}{}", errors(&output));
    assert!(text.contains(&format!("pack {}\n", host.path("tree").display())), "{text}");
    assert!(text.contains("attempts, 0 got through"), "{text}");
    let attempts = text.lines().filter(|line| {
        let first = line.split_whitespace().next().unwrap_or_default();
        first.parse::<usize>().is_ok() && !line.contains("got through")
    });
    assert!(attempts.count() >= 25, "{text}");
    // The archive, and nothing else: no secret is left behind.
    let left: Vec<_> =
        fs::read_dir(&temporary).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(left.len(), 1, "{left:?}");
    let names: Vec<_> =
        fs::read_dir(&left[0]).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 1, "{names:?}");
}

#[test]
fn the_demo_does_its_job_and_nothing_gets_through() {
    at_both_levels(|host| demo(host, &[]));
    on_each(&[Offers::All], |host| demo(host, &["--level", "landlock"]));
}

#[test]
fn the_demo_refuses_where_nothing_can_be_confined() {
    on_each(&[Offers::Neither], |host| {
        let output = output(&mut host.command(["demo"]));
        assert_eq!(output.status.code(), Some(125), "{}", errors(&output));
        assert!(output.stdout.is_empty(), "{}", text(&output));
    });
}

/// An attacker that is stopped without a sandbox, too, would show nothing.
#[test]
fn the_attacker_gets_through_without_a_sandbox() {
    on_each(&[Offers::All], |host| {
        // As root it would get further than a test should.
        // SAFETY: always succeeds.
        let user = host.user.unwrap_or_else(|| unsafe { libc::geteuid() });
        if user == 0 {
            return;
        }
        let [tree, out] = ["tree", "out"].map(|name| host.make_dir(name));
        host.make_file("tree/file", "");
        let secret = host.make_file("secret", "the secret");
        let mut victim = Command::new("sleep").arg("1000").spawn().unwrap();
        let mut command = host.command(["attack", "--socket", "/none", "--name", "none"]);
        command.args([
            "--port",
            "1",
            "--shm",
            "0",
            "--address",
            "4096",
            "--pid",
            &victim.id().to_string(),
        ]);
        command.arg("--secret").arg(&secret).arg("--tree").arg(&tree).arg("--out").arg(&out);
        let output = output(&mut command);
        victim.kill().unwrap();
        victim.wait().unwrap();
        let text = text(&output);
        // What is not stopped by the lack of a privilege, or by what this host lacks.
        for name in [
            "read /etc/passwd",
            "read it by `..`",
            "read it by a planted symbolic link",
            "link the secret into the output",
            "move the secret into the output",
            "chmod the secret",
            "create a file in the read-only tree",
            "truncate a file of the tree",
            "chmod a file of the tree",
            "execute a file just written",
            "execute anonymous memory (memfd)",
            "new user namespace (unshare)",
            "new user namespace (clone)",
            "switch off address randomisation",
        ] {
            let line = text.lines().find(|line| line.split('\t').next() == Some(name));
            let kind = line.and_then(|line| line.split('\t').nth(1));
            assert!(matches!(kind, Some("did" | "read")), "{name}: {line:?}");
        }
    });
}
