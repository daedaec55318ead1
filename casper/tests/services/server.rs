//! `Dns` with a server: the case's own, in a network of its own, of which it is the only one.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket},
    sync::mpsc::{Receiver, Sender, channel},
    thread,
};

use casper::{
    Casper, Dns, Error,
    dns::{Families, Flags, Hints, Kind},
};

use crate::{
    harness::{Case, LONG, Outcome, Tested, case, ensure, text},
    hostile::Chance,
};

pub(crate) const CASES: &[Case] = &[
    Case { lacks: network::lacks, ..case(SLOW, slow) },
    Case { lacks: network::lacks, ..case(ODD, odd) },
];

const SLOW: &str = "dns_answers_others_while_a_server_does_not_answer";
const ODD: &str = "dns_survives_what_a_server_answers";

/// Before there are threads, and anything is forked: what the case needs.
pub(crate) fn scene(case: &str) -> Outcome {
    if [SLOW, ODD].contains(&case) { network::enter() } else { Ok(()) }
}

#[cfg(target_os = "linux")]
mod network {
    use std::{
        fs, io,
        os::unix::{fs::PermissionsExt, process::CommandExt},
        process::Command,
    };

    use crate::harness::{Outcome, text};

    const NAMESPACES: i32 = libc::CLONE_NEWUSER | libc::CLONE_NEWNS | libc::CLONE_NEWNET;

    fn unshare() -> io::Result<()> {
        // SAFETY: takes no pointers.
        if unsafe { libc::unshare(NAMESPACES) } < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(())
    }

    pub(super) fn lacks() -> Option<String> {
        let mut command = Command::new("true");
        // SAFETY: unshare(2) is safe between fork and exec.
        unsafe { command.pre_exec(unshare) };
        let done = command.status();
        let why = "it needs a user namespace, and a network namespace of its own";
        (!done.is_ok_and(|status| status.success())).then(|| why.to_owned())
    }

    fn bind_mount(content: &str, path: &str) -> Outcome {
        let real = fs::canonicalize(path).map_err(|error| format!("{path}: {error}"))?;
        let file = tempfile::NamedTempFile::new().map_err(text)?;
        fs::write(file.path(), content).map_err(text)?;
        let words = |path: &std::path::Path| {
            std::ffi::CString::new(path.as_os_str().as_encoded_bytes()).map_err(text)
        };
        fs::set_permissions(file.path(), fs::Permissions::from_mode(0o644)).map_err(text)?;
        let (from, to) = (words(file.path())?, words(&real)?);
        let none = std::ptr::null();
        // SAFETY: the paths are C strings; the others are not looked at.
        let done =
            unsafe { libc::mount(from.as_ptr(), to.as_ptr(), none, libc::MS_BIND, none.cast()) };
        if done < 0 { Err(format!("mount: {}", io::Error::last_os_error())) } else { Ok(()) }
    }

    /// The loopback interface has to be told.
    fn bring_up() -> Outcome {
        // SAFETY: it is numbers and a name, all of which may be zero.
        let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
        for (place, byte) in request.ifr_name.iter_mut().zip(b"lo") {
            *place = libc::c_char::from_ne_bytes([*byte]);
        }
        request.ifr_ifru.ifru_flags = libc::c_short::try_from(libc::IFF_UP).map_err(text)?;
        let socket = std::net::UdpSocket::bind("0.0.0.0:0").map_err(text)?;
        let fd = std::os::fd::AsRawFd::as_raw_fd(&socket);
        // SAFETY: the kernel reads the request.
        if unsafe { libc::ioctl(fd, libc::SIOCSIFFLAGS as _, &raw const request) } < 0 {
            return Err(format!("lo: {}", io::Error::last_os_error()));
        }
        Ok(())
    }

    pub(super) fn enter() -> Outcome {
        // SAFETY: they always succeed.
        let (user, group) = unsafe { (libc::geteuid(), libc::getegid()) };
        unshare().map_err(text)?;
        fs::write("/proc/self/setgroups", "deny").map_err(text)?;
        fs::write("/proc/self/uid_map", format!("0 {user} 1")).map_err(text)?;
        fs::write("/proc/self/gid_map", format!("0 {group} 1")).map_err(text)?;
        bring_up()?;
        bind_mount("nameserver 127.0.0.1\noptions timeout:30 attempts:1\n", "/etc/resolv.conf")?;
        bind_mount("hosts: files dns\n", "/etc/nsswitch.conf")
    }
}

#[cfg(not(target_os = "linux"))]
mod network {
    use crate::harness::Outcome;

    #[allow(clippy::unnecessary_wraps, reason = "as on Linux")]
    pub(super) fn lacks() -> Option<String> {
        Some("it needs a network namespace, which Linux has".to_owned())
    }

    #[allow(clippy::unnecessary_wraps, reason = "as on Linux")]
    pub(super) fn enter() -> Outcome {
        Ok(())
    }
}

/// A question, and who asks.
struct Question {
    message: Vec<u8>,
    from: SocketAddr,
    name: String,
    v4: bool,
}

fn parse(message: &[u8], from: SocketAddr) -> Option<Question> {
    let mut at = 12;
    let mut labels = Vec::new();
    loop {
        let length = usize::from(*message.get(at)?);
        let label = message.get(at + 1..at + 1 + length)?;
        at += 1 + length;
        if length == 0 {
            break;
        }
        labels.push(String::from_utf8(label.to_vec()).ok()?.to_ascii_lowercase());
    }
    let v4 = message.get(at..at + 2)? == [0, 1];
    Some(Question { message: message.get(..at + 4)?.to_vec(), from, name: labels.join("."), v4 })
}

impl Question {
    /// The header of an answer with so many records, and the question.
    fn head(&self, code: u8, records: u16) -> Vec<u8> {
        let mut answer = self.message.clone();
        answer[2..4].copy_from_slice(&[0x85, 0x80 | code]);
        answer[6..8].copy_from_slice(&records.to_be_bytes());
        answer[8..12].fill(0);
        answer
    }

    fn no_such_name(&self) -> Vec<u8> {
        self.head(3, 0)
    }

    fn address(&self, ip: Ipv4Addr) -> Vec<u8> {
        if !self.v4 {
            return self.head(0, 0);
        }
        let mut answer = self.head(0, 1);
        answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 9, 0, 4]);
        answer.extend(ip.octets());
        answer
    }
}

/// A server that asks `answer` for each question, and may be told to send something later.
fn serve(
    answer: impl Fn(&Question) -> Option<Vec<u8>> + Send + 'static,
) -> Result<UdpSocket, String> {
    let server = UdpSocket::bind((Ipv4Addr::LOCALHOST, 53)).map_err(text)?;
    let socket = server.try_clone().map_err(text)?;
    thread::spawn(move || {
        let mut message = [0; 1500];
        while let Ok((length, from)) = server.recv_from(&mut message) {
            let Some(question) = parse(&message[..length], from) else { continue };
            if let Some(answer) = answer(&question) {
                let _ = server.send_to(&answer, from);
            }
        }
    });
    Ok(socket)
}

const FAST: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 7);

fn slow(casper: &Casper) -> Outcome {
    let (asked, unanswered): (Sender<Question>, Receiver<Question>) = channel();
    let server = serve(move |question| match question.name.as_str() {
        "fast.test" => Some(question.address(FAST)),
        "slow.test" => {
            let Question { message, name, .. } = question;
            let (message, name) = (message.clone(), name.clone());
            let _ = asked.send(Question { message, name, ..*question });
            None
        }
        _ => Some(question.no_such_name()),
    })?;
    let dns: Dns = casper.open().map_err(text)?;
    let dns = dns.within(LONG);
    let v4 = Hints::default().kind(Kind::Stream).families(Families::V4);
    let waiting = dns.try_clone().map_err(text)?;
    let slow = thread::spawn(move || waiting.within(LONG).getaddrinfo(Some("slow.test"), None, v4));
    let question = unanswered.recv_timeout(LONG).map_err(text)?;
    for _ in 0..20 {
        let found = dns.addresses("fast.test").map_err(text)?;
        ensure!(found == [IpAddr::V4(FAST)], "{found:?}");
        dns.try_clone().map_err(text)?.ask().map_err(text)?;
    }
    ensure!(!slow.is_finished(), "it did not wait for the server");
    server.send_to(&question.no_such_name(), question.from).map_err(text)?;
    match slow.join().map_err(|_| "it panicked")? {
        Err(Error::Resolve { code: libc::EAI_NONAME, .. }) => Ok(()),
        other => Err(format!("{other:?}")),
    }
}

/// Records that no honest server sends: each with a valid head, so that the C library looks at them.
fn odd_answer(question: &Question, chance: &mut Chance) -> Vec<u8> {
    let records = [1, 1, 2, 9, 0xffff][chance.below(5)];
    let mut answer = question.head(0, records);
    match chance.below(3) {
        // A canonical name that is no text, with an address of it.
        0 => {
            answer.extend([0xc0, 12, 0, 5, 0, 1, 0, 0, 0, 9, 0, 6, 4, 0xff, 0xfe, 0, b'\n', 0]);
            answer.extend([4, 0xff, 0xfe, 0, b'\n', 0, 0, 1, 0, 1, 0, 0, 0, 9, 0, 4, 192, 0, 2, 9]);
        }
        // A name that leads to itself, and lengths beyond the end.
        1 => {
            let length = u16::try_from(answer.len()).unwrap_or(0) | 0xc000;
            answer.extend(length.to_be_bytes());
            answer.extend([0, 1, 0, 1, 0, 0, 0, 9, 0xff, 0xff, 1]);
        }
        _ => {
            for _ in 0..chance.below(400) {
                answer.push(chance.next().to_le_bytes()[0]);
            }
        }
    }
    answer
}

fn odd(casper: &Casper) -> Outcome {
    let chance = std::sync::Mutex::new(Chance(11));
    serve(move |question| match question.name.as_str() {
        "fast.test" => Some(question.address(FAST)),
        // By the stream protocol, which an answer can ask for, nobody listens.
        _ => chance.lock().ok().map(|mut chance| odd_answer(question, &mut chance)),
    })?;
    let dns: Dns = casper.open().map_err(text)?;
    let dns = dns.within(LONG);
    let hints = Hints::default().kind(Kind::Stream).flags(Flags::CANONNAME);
    let hints = hints.families(Families::V4);
    for round in 0..300 {
        let name = format!("odd{round}.test");
        match dns.getaddrinfo(Some(&name), None, hints) {
            Ok(_) | Err(Error::Resolve { .. } | Error::Invalid { .. } | Error::System { .. }) => {}
            other => return Err(format!("round {round}: {other:?}")),
        }
    }
    ensure!(dns.addresses("fast.test").map_err(text)? == [IpAddr::V4(FAST)], "no answer");
    Ok(())
}
