//! The cases, and what runs them.

use std::{
    env,
    fs::File,
    io::{Read, Write},
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, ToSocketAddrs, UdpSocket},
    os::fd::AsFd,
    path::Path,
    process::{Command, ExitCode, Stdio},
    thread,
    time::{Duration, Instant},
};

use casper_sys::{
    Casper, Channel, Dns, DnsType, Error, Family, FileArgs, FileRules, GroupField, Limit, Lookup,
    NetLimits, NetModes, Pwd, Query, Service, SysctlLimit, UserField, Variable,
};

type Outcome = Result<(), Box<dyn std::error::Error>>;

const CASE: &str = "CASPER_CASE";
const DEADLINE: Duration = Duration::from_secs(60);
/// How a process says that the host cannot run its case.
const SKIPPED: i32 = 77;

macro_rules! cases {
    ($($case:ident),* $(,)?) => {
        const CASES: &[(&str, fn() -> Outcome)] = &[$((stringify!($case), $case)),*];
    };
}

cases! {
    a_service_that_was_not_named_cannot_be_opened,
    a_process_with_two_threads_cannot_start,
    a_list_of_services_only_narrows,
    hosts_are_resolved,
    limits_of_names_only_narrow,
    an_empty_limit_is_refused,
    a_channel_goes_through_a_socket,
    a_clone_keeps_the_limits,
    a_service_outlives_libcasper,
    users_are_found,
    limits_of_users_hold,
    groups_are_found,
    limits_of_groups_hold,
    protocols_are_found,
    variables_are_read_and_limited,
    files_of_the_list_are_opened_alone,
    descriptors_of_files_are_limited,
    connections_are_limited,
    connections_to_what_was_resolved,
    lines_are_logged,
    what_is_hidden_from_c_is_refused,
    services_work_in_capability_mode,
    a_socket_of_nobody_has_died,
    the_prototypes_are_those_of_the_system,
}

pub(crate) fn main() -> ExitCode {
    if let Ok(name) = env::var(CASE) {
        return one(&name);
    }
    let (mut passed, mut failed, mut skipped) = (0, 0, 0);
    for (name, _) in CASES {
        match run(name) {
            Ok(0) => {
                println!("test {name} ... ok");
                passed += 1;
            }
            Ok(SKIPPED) => skipped += 1,
            outcome => {
                println!("test {name} ... FAILED: {outcome:?}");
                failed += 1;
            }
        }
    }
    println!("{passed} passed, {failed} failed, {skipped} skipped");
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn run(name: &str) -> Result<i32, String> {
    let program = env::current_exe().map_err(|error| error.to_string())?;
    let mut child = Command::new(program)
        .env(CASE, name)
        .stdin(Stdio::null())
        .spawn()
        .map_err(|error| error.to_string())?;
    let started = Instant::now();
    loop {
        if let Some(status) = child.try_wait().map_err(|error| error.to_string())? {
            return status.code().ok_or_else(|| status.to_string());
        }
        if started.elapsed() > DEADLINE {
            let _ = child.kill();
            let _ = child.wait();
            return Err("the deadline has passed".to_owned());
        }
        thread::sleep(Duration::from_millis(5));
    }
}

fn one(name: &str) -> ExitCode {
    let Some((_, case)) = CASES.iter().find(|(case, _)| *case == name) else {
        return ExitCode::FAILURE;
    };
    let outcome = case();
    match outcome.as_ref().map_err(|error| error.downcast_ref::<Error>()) {
        Ok(()) => ExitCode::SUCCESS,
        // A system may be built without libcasper, and FreeBSD 14.0 has no libcap_netdb.
        Err(Some(Error::Unsupported { library, reason })) => {
            println!("SKIPPED: {name}: {library}: {reason}");
            ExitCode::from(77)
        }
        Err(_) => {
            eprintln!("{name}: {outcome:?}");
            ExitCode::FAILURE
        }
    }
}

/// Ends the process of a case where this host has not what the case is about.
fn need(there: bool, what: &str) {
    if !there {
        let name = env::var(CASE).unwrap_or_default();
        println!("SKIPPED: {name}: this host has no {what}");
        std::process::exit(SKIPPED);
    }
}

fn need_files(paths: &[&str]) {
    for path in paths {
        need(Path::new(path).exists(), path);
    }
}

/// FreeBSD's C library looks for them in a database that pwd_mkdb(8) writes.
fn need_users() {
    need_files(&["/etc/pwd.db"]);
}

fn need_groups() {
    need_files(&["/etc/group"]);
}

fn need_localhost() {
    let found = ("localhost", 0).to_socket_addrs();
    let known = found.is_ok_and(|mut found| found.any(|found| found.ip() == Ipv4Addr::LOCALHOST));
    need(known, "name for 127.0.0.1");
}

fn ensure(holds: bool, what: &str) -> Outcome {
    if holds { Ok(()) } else { Err(what.into()) }
}

fn not_capable<T: std::fmt::Debug>(outcome: Result<T, Error>) -> Outcome {
    match outcome {
        Err(Error::NotCapable { .. }) => Ok(()),
        other => Err(format!("{other:?} is not NotCapable").into()),
    }
}

fn localhost(family: Option<Family>) -> Query<'static> {
    Query { host: Some("localhost"), family, ..Query::default() }
}

fn a_service_that_was_not_named_cannot_be_opened() -> Outcome {
    let casper = Casper::start(&[Service::Pwd])?;
    let refused = casper.dns();
    ensure(matches!(refused, Err(Error::NotStarted { service: Service::Dns })), "opened")
}

fn a_process_with_two_threads_cannot_start() -> Outcome {
    let (stop, wait) = std::sync::mpsc::channel::<()>();
    let other = thread::spawn(move || wait.recv());
    let refused = Casper::start(&[Service::Dns]);
    drop(stop);
    let _ = other.join();
    match refused {
        Err(Error::Threaded) => {}
        Err(error) => return Err(error.into()),
        Ok(_) => return Err("it was started".into()),
    }
    Casper::start(&[Service::Dns])?;
    Ok(())
}

fn a_list_of_services_only_narrows() -> Outcome {
    let mut casper = Casper::start(&[Service::Dns, Service::Pwd])?;
    casper.limit(&[Service::Pwd])?;
    ensure(matches!(casper.dns(), Err(Error::NotStarted { .. })), "opened")?;
    let wider = casper.limit(&[Service::Dns, Service::Pwd]);
    ensure(matches!(wider, Err(Error::NotStarted { .. })), "widened")?;
    casper.pwd()?;
    Ok(())
}

fn hosts_are_resolved() -> Outcome {
    need_localhost();
    let dns = Casper::start(&[Service::Dns])?.dns()?;
    let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let found = dns.resolve(&Query { service: Some("80"), ..localhost(Some(Family::V4)) })?;
    let expected = SocketAddr::new(loopback, 80);
    ensure(found.iter().any(|found| found.address == expected), "localhost is not 127.0.0.1")?;
    let (host, service) = dns.name(&expected, libc::NI_NUMERICHOST | libc::NI_NUMERICSERV)?;
    ensure(host == "127.0.0.1" && service == "80", "names in numbers")?;
    let host = dns.host_by_name("localhost", Family::V4)?;
    ensure(host.addresses.contains(&loopback), "gethostbyname")?;
    let host = dns.host_by_address(loopback)?;
    ensure(!host.name.is_empty(), "gethostbyaddr")?;
    let unknown = Query { flags: libc::AI_NUMERICHOST, ..localhost(None) };
    ensure(
        matches!(dns.resolve(&unknown), Err(Error::Resolver { code: libc::EAI_NONAME, .. })),
        "a name is no number",
    )
}

fn limits_of_names_only_narrow() -> Outcome {
    need_localhost();
    let dns = Casper::start(&[Service::Dns])?.dns()?;
    ensure(dns.channel().limits()?.is_none(), "limits before there are any")?;
    dns.limit_types(&[DnsType::NameToAddress])?;
    dns.limit_families(&[Family::V4])?;
    let limits = dns.channel().limits()?.ok_or("no limits")?;
    ensure(limits.contains(&(b"type0".to_vec(), Limit::Text(b"NAME2ADDR".to_vec()))), "type")?;
    dns.resolve(&localhost(Some(Family::V4)))?;
    not_capable(dns.resolve(&localhost(Some(Family::V6))))?;
    not_capable(dns.resolve(&localhost(None)))?;
    not_capable(dns.name(&SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 80), 0))?;
    ensure(dns.host_by_address(Ipv4Addr::LOCALHOST.into()).is_err(), "gethostbyaddr")?;
    not_capable(dns.limit_types(&[DnsType::NameToAddress, DnsType::AddressToName]))?;
    not_capable(dns.limit_families(&[Family::V4, Family::V6]))?;
    dns.resolve(&localhost(Some(Family::V4)))?;
    dns.limit_families(&[])?;
    for family in [Some(Family::V4), Some(Family::V6), None] {
        not_capable(dns.resolve(&localhost(family)))?;
    }
    not_capable(dns.limit_families(&[Family::V4]))
}

fn an_empty_limit_is_refused() -> Outcome {
    let casper = Casper::start(&[Service::Dns, Service::Net])?;
    let dns = casper.dns()?;
    ensure(matches!(dns.limit_types(&[]), Err(Error::Invalid { .. })), "types")?;
    let limits = NetLimits { connect: Some(&[]), ..NetLimits::default() };
    ensure(matches!(casper.net()?.limit(&limits), Err(Error::Invalid { .. })), "connect")
}

fn a_channel_goes_through_a_socket() -> Outcome {
    need_localhost();
    need_files(&["/etc/services"]);
    let casper = Casper::start(&[Service::Dns, Service::FileArgs])?;
    let dns = casper.dns()?;
    dns.limit_families(&[Family::V4])?;
    let socket = dns.into_channel().into_socket();
    let dns = Dns::from_channel(Channel::from_socket(socket, Service::Dns)?)?;
    dns.resolve(&localhost(Some(Family::V4)))?;
    not_capable(dns.resolve(&localhost(Some(Family::V6))))?;
    let wrong = Pwd::from_channel(dns.into_channel());
    ensure(matches!(wrong, Err(Error::Invalid { .. })), "a channel to another service")?;

    let files = casper.file_args(&[Path::new("/etc/services")], &rules())?;
    let (channel, flags) = files.into_channel();
    let socket = channel.into_socket();
    let channel = Channel::from_socket(socket, Service::FileArgs)?;
    let files = FileArgs::from_channel(channel, flags)?;
    files.open(Path::new("/etc/services"))?;
    not_capable(files.open(Path::new("/etc/hosts")))
}

fn a_clone_keeps_the_limits() -> Outcome {
    need_localhost();
    let dns = Casper::start(&[Service::Dns])?.dns()?;
    dns.limit_families(&[Family::V4])?;
    let other = dns.try_clone()?;
    not_capable(other.limit_families(&[Family::V4, Family::V6]))?;
    other.limit_types(&[DnsType::AddressToName])?;
    not_capable(other.resolve(&localhost(Some(Family::V4))))?;
    dns.resolve(&localhost(Some(Family::V4)))?;
    Ok(())
}

fn a_service_outlives_libcasper() -> Outcome {
    need_users();
    let casper = Casper::start(&[Service::Pwd])?;
    let pwd = casper.pwd()?;
    drop(casper);
    ensure(pwd.by_id(0)?.is_some(), "root")
}

fn users_are_found() -> Outcome {
    need_users();
    let pwd = Casper::start(&[Service::Pwd])?.pwd()?;
    let root = pwd.by_name("root")?.ok_or("no root")?;
    ensure(root.uid == Some(0) && root.home.is_absolute(), "root")?;
    ensure(pwd.by_name("no such user")?.is_none(), "nobody of that name")?;
    let mut first = Vec::new();
    while let Some(user) = pwd.next_user()? {
        first.push(user.name);
    }
    // Not every system has more than root.
    ensure(first.iter().any(|name| name == "root"), "users in turn")?;
    pwd.rewind()?;
    ensure(pwd.next_user()?.map(|user| user.name).as_ref() == first.first(), "starting over")?;
    ensure(matches!(pwd.by_name("ro\0ot"), Err(Error::Invalid { .. })), "a zero byte")
}

fn limits_of_users_hold() -> Outcome {
    need_users();
    let casper = Casper::start(&[Service::Pwd])?;
    let pwd = casper.pwd()?;
    pwd.limit_lookups(&[Lookup::ByName])?;
    pwd.limit_fields(&[UserField::Name, UserField::Name, UserField::Uid])?;
    pwd.limit_users(&["root"], &[])?;
    let root = pwd.by_name("root")?.ok_or("no root")?;
    ensure(root.uid == Some(0) && root.gid.is_none(), "fields")?;
    ensure(root.home.as_os_str().is_empty(), "the home directory is hidden")?;
    ensure(pwd.by_name("daemon")?.is_none(), "another user")?;
    not_capable(pwd.by_id(0))?;
    not_capable(pwd.next_user())?;
    not_capable(pwd.rewind())?;
    not_capable(pwd.limit_lookups(&[Lookup::ByName, Lookup::ById]))?;
    not_capable(pwd.limit_fields(&[UserField::Shell]))?;
    not_capable(pwd.limit_users(&["root", "daemon"], &[]))?;
    let none = casper.pwd()?;
    none.limit_users(&[], &[])?;
    ensure(none.by_name("root")?.is_none(), "nobody")
}

fn groups_are_found() -> Outcome {
    need_groups();
    let grp = Casper::start(&[Service::Grp])?.grp()?;
    let wheel = grp.by_name("wheel")?.ok_or("no wheel")?;
    ensure(wheel.gid == Some(0), "wheel")?;
    ensure(grp.by_id(0)?.map(|group| group.name) == Some("wheel".into()), "by its number")?;
    let mut count = 0;
    while grp.next_group()?.is_some() {
        count += 1;
    }
    ensure(count > 0, "groups in turn")?;
    grp.rewind()?;
    ensure(grp.next_group()?.is_some(), "starting over")
}

fn limits_of_groups_hold() -> Outcome {
    need_groups();
    let grp = Casper::start(&[Service::Grp])?.grp()?;
    grp.limit_lookups(&[Lookup::ById])?;
    grp.limit_fields(&[GroupField::Name, GroupField::Gid])?;
    grp.limit_groups(&[], &[0])?;
    let wheel = grp.by_id(0)?.ok_or("no wheel")?;
    ensure(wheel.name == "wheel" && wheel.members.is_empty(), "fields")?;
    ensure(grp.by_id(1)?.is_none(), "another group")?;
    not_capable(grp.by_name("wheel"))?;
    not_capable(grp.limit_groups(&[], &[0, 1]))?;
    not_capable(grp.limit_fields(&[GroupField::Members]))
}

fn protocols_are_found() -> Outcome {
    need_files(&["/etc/protocols"]);
    let db = Casper::start(&[Service::NetDb])?.net_db()?;
    let tcp = db.protocol("tcp")?.ok_or("no tcp")?;
    ensure(tcp.number == libc::IPPROTO_TCP && tcp.aliases.contains(&"TCP".into()), "tcp")?;
    ensure(db.protocol("no such protocol")?.is_none(), "none of that name")
}

fn variables_are_read_and_limited() -> Outcome {
    let casper = Casper::start(&[Service::Sysctl])?;
    let sysctl = casper.sysctl()?;
    let name = Variable::Name("kern.ostype");
    ensure(sysctl.read(name)?.starts_with(b"FreeBSD"), "by its name")?;
    let mib = sysctl.mib("kern.ostype")?;
    ensure(sysctl.read(Variable::Mib(&mib))?.starts_with(b"FreeBSD"), "by its number")?;
    let limit = |variable| SysctlLimit { variable, read: true, write: false, recursive: false };
    sysctl.limit(&[limit(name)])?;
    sysctl.read(name)?;
    sysctl.read(Variable::Mib(&mib))?;
    not_capable(sysctl.read(Variable::Name("kern.osrelease")))?;
    not_capable(sysctl.read(Variable::Name("kern.ostype\n")))?;
    not_capable(sysctl.write(name, b"x"))?;
    not_capable(sysctl.limit(&[SysctlLimit { write: true, ..limit(name) }]))?;
    not_capable(sysctl.limit(&[SysctlLimit { recursive: true, ..limit(name) }]))?;
    not_capable(sysctl.limit(&[limit(name), limit(Variable::Name("kern.osrelease"))]))?;
    let tree = casper.sysctl()?;
    let kern = SysctlLimit { recursive: true, ..limit(Variable::Name("kern")) };
    tree.limit(&[kern])?;
    tree.read(Variable::Name("kern.osrelease"))?;
    not_capable(tree.read(Variable::Name("kernel")))?;
    not_capable(tree.read(Variable::Name("hw.ncpu")))?;
    tree.limit(&[])?;
    not_capable(tree.read(name))
}

fn rules() -> FileRules {
    FileRules {
        open: true,
        lstat: true,
        realpath: true,
        flags: libc::O_RDONLY,
        mode: 0,
        rights: None,
    }
}

fn files_of_the_list_are_opened_alone() -> Outcome {
    need_files(&["/etc/services", "/etc/protocols"]);
    let casper = Casper::start(&[Service::FileArgs])?;
    let (one, two) = (Path::new("/etc/services"), Path::new("/etc/protocols"));
    let files = casper.file_args(&[one, two], &rules())?;
    for path in [one, two, one] {
        let mut text = String::new();
        File::from(files.open(path)?).read_to_string(&mut text)?;
        ensure(text == std::fs::read_to_string(path)?, "the file")?;
    }
    let clone = files.try_clone()?;
    for opened in [clone.open(one)?, clone.open_anew(two)?, files.open_anew(one)?] {
        ensure(File::from(opened).metadata()?.is_file(), "a clone, or anew")?;
    }
    not_capable(clone.open_anew(Path::new("/etc/hosts")))?;
    ensure(
        files.lstat_anew(two)?.inode
            == std::os::unix::fs::MetadataExt::ino(&std::fs::metadata(two)?),
        "anew",
    )?;
    let status = files.lstat(one)?;
    ensure(status.size == std::fs::metadata(one)?.len() && status.uid == 0, "lstat")?;
    ensure(files.realpath(one)? == one.canonicalize()?, "realpath")?;
    for other in ["/etc/hosts", "/etc/../etc/services", "/etc//services", "etc/services", ""] {
        not_capable(files.open(Path::new(other)))?;
        not_capable(files.lstat(Path::new(other)))?;
        not_capable(files.realpath(Path::new(other)))?;
    }
    ensure(matches!(files.open(Path::new("/etc\0")), Err(Error::Invalid { .. })), "a zero byte")?;
    ensure(matches!(casper.file_args(&[], &rules()), Err(Error::Invalid { .. })), "no files")?;
    let closed = FileRules { open: false, realpath: false, ..rules() };
    let files = casper.file_args(&[one], &closed)?;
    files.lstat(one)?;
    not_capable(files.open(one))?;
    not_capable(files.realpath(one))
}

fn descriptors_of_files_are_limited() -> Outcome {
    need_files(&["/etc/services"]);
    let casper = Casper::start(&[Service::FileArgs])?;
    // CAP_SEEK_TELL | CAP_READ without CAP_FSTAT: sys/capsicum.h.
    let rules = FileRules { rights: Some([0x5, 0]), ..rules() };
    let path = Path::new("/etc/services");
    let mut file = File::from(casper.file_args(&[path], &rules)?.open(path)?);
    let mut start = [0; 16];
    file.read_exact(&mut start)?;
    let refused = file.metadata().err().and_then(|error| error.raw_os_error());
    ensure(refused == Some(libc::ENOTCAPABLE), "fstat")?;
    let refused = file.write(&start).err().and_then(|error| error.raw_os_error());
    ensure(matches!(refused, Some(libc::ENOTCAPABLE | libc::EBADF)), "write")
}

fn socket() -> Result<UdpSocket, std::io::Error> {
    UdpSocket::bind("127.0.0.1:0")
}

fn connections_are_limited() -> Outcome {
    let (here, there) = (socket()?, socket()?);
    let (allowed, other) = (here.local_addr()?, there.local_addr()?);
    let net = Casper::start(&[Service::Net])?.net()?;
    let modes = NetModes { connect: true, ..NetModes::default() };
    let addresses = [allowed];
    let limits = NetLimits { modes, connect: Some(&addresses), ..NetLimits::default() };
    net.limit(&limits)?;
    let client = socket()?;
    net.connect(&client, &allowed)?;
    ensure(client.peer_addr()? == allowed, "connected")?;
    not_capable(net.connect(socket()?.as_fd(), &other))?;
    not_capable(net.bind(&client, &other))?;
    not_capable(net.resolve(&localhost(Some(Family::V4))))?;
    let wider = [allowed, other];
    not_capable(net.limit(&NetLimits { connect: Some(&wider), ..limits }))?;
    not_capable(net.limit(&NetLimits { connect: None, ..limits }))?;
    let modes = NetModes { bind: true, ..modes };
    not_capable(net.limit(&NetLimits { modes, ..limits }))?;
    not_capable(net.connect(socket()?.as_fd(), &other))
}

fn connections_to_what_was_resolved() -> Outcome {
    need_localhost();
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let other = socket()?;
    let port = address.port().to_string();
    let net = Casper::start(&[Service::Net])?.net()?;
    let modes = NetModes { resolve: true, connect_resolved: true, ..NetModes::default() };
    net.limit(&NetLimits { modes, ..NetLimits::default() })?;
    let client = socket()?;
    not_capable(net.connect(&client, &address))?;
    let query = Query { service: Some(&port), ..localhost(Some(Family::V4)) };
    let found = net.resolve(&query)?;
    ensure(found.iter().any(|found| found.address == address), "resolved")?;
    net.connect(&client, &address)?;
    ensure(client.peer_addr()? == address, "connected")?;
    not_capable(net.connect(socket()?.as_fd(), &other.local_addr()?))
}

fn lines_are_logged() -> Outcome {
    let log = Casper::start(&[Service::Syslog])?.syslog()?;
    log.open_log(Some("casper-sys"), libc::LOG_PID, libc::LOG_USER)?;
    log.log(libc::LOG_DEBUG, "a line with %s and %n in it")?;
    log.log(libc::LOG_DEBUG, &"long ".repeat(1000))?;
    let all = log.set_mask(1 << libc::LOG_ERR)?;
    ensure(all == 0xff, "every priority is logged at first")?;
    ensure(log.set_mask(all)? == 1 << libc::LOG_ERR, "what was set before")?;
    log.close_log()?;
    ensure(matches!(log.log(libc::LOG_DEBUG, "\0"), Err(Error::Invalid { .. })), "a zero byte")
}

fn what_is_hidden_from_c_is_refused() -> Outcome {
    let casper = Casper::start(&[Service::Sysctl, Service::Dns])?;
    let sysctl = casper.sysctl()?;
    let invalid = |outcome| ensure(matches!(outcome, Err(Error::Invalid { .. })), "accepted");
    invalid(sysctl.write(Variable::Name("kern.ostype"), b""))?;
    invalid(sysctl.read(Variable::Mib(&[])).map(drop))?;
    invalid(sysctl.read(Variable::Mib(&[1; 25])).map(drop))?;
    let flags = Query { flags: 1 << 30, ..localhost(None) };
    invalid(casper.dns()?.resolve(&flags).map(drop))?;
    // The service is as before.
    sysctl.read(Variable::Name("kern.ostype"))?;
    Ok(())
}

fn services_work_in_capability_mode() -> Outcome {
    need_localhost();
    need_files(&["/etc/services"]);
    need_users();
    need_groups();
    let casper = Casper::start(&Service::ALL.map(|service| match service {
        // Not in every release.
        Service::NetDb => Service::Dns,
        other => other,
    }))?;
    let files = casper.file_args(&[Path::new("/etc/services")], &rules())?;
    let pwd = casper.pwd()?;
    capsicum_rs::enter()?;
    ensure(File::open("/etc/services").is_err(), "capability mode")?;
    files.open(Path::new("/etc/services"))?;
    ensure(pwd.by_name("root")?.is_some(), "root")?;
    casper.dns()?.resolve(&localhost(Some(Family::V4)))?;
    ensure(casper.grp()?.by_name("wheel")?.is_some(), "wheel")?;
    casper.sysctl()?.read(Variable::Name("kern.ostype"))?;
    casper.syslog()?.log(libc::LOG_DEBUG, "from capability mode")?;
    casper.net()?.resolve(&localhost(Some(Family::V4)))?;
    ensure(matches!(Casper::start(&[]), Err(Error::CapabilityMode)), "it is too late")
}

fn a_socket_of_nobody_has_died() -> Outcome {
    Channel::prepare(Service::Dns)?;
    let (here, there) = std::os::unix::net::UnixStream::pair()?;
    drop(there);
    let dns = Dns::from_channel(Channel::from_socket(here.into(), Service::Dns)?)?;
    let died = |outcome| ensure(matches!(outcome, Err(Error::Died { .. })), "not Died");
    died(dns.resolve(&localhost(None)).map(drop))?;
    died(dns.limit_families(&[Family::V4]))?;
    died(dns.try_clone().map(drop))?;
    died(dns.host_by_name("localhost", Family::V4).map(drop))
}

/// The headers as they were when this was compiled: who runs it may have none of the sources.
const HEADERS: [(&str, &str); 12] = [
    ("cap_dns.h", include_str!("../../headers/cap_dns.h")),
    ("cap_fileargs.h", include_str!("../../headers/cap_fileargs.h")),
    ("cap_grp.h", include_str!("../../headers/cap_grp.h")),
    ("cap_net.h", include_str!("../../headers/cap_net.h")),
    ("cap_netdb.h", include_str!("../../headers/cap_netdb.h")),
    ("cap_pwd.h", include_str!("../../headers/cap_pwd.h")),
    ("cap_sysctl.h", include_str!("../../headers/cap_sysctl.h")),
    ("cap_syslog.h", include_str!("../../headers/cap_syslog.h")),
    ("casper.h", include_str!("../../headers/casper.h")),
    ("check.c", include_str!("../../headers/check.c")),
    ("nv.h", include_str!("../../headers/nv.h")),
    ("types.h", include_str!("../../headers/types.h")),
];

/// The compiler and the headers of libcasper are in the base system, though not in every one.
fn the_prototypes_are_those_of_the_system() -> Outcome {
    if !Path::new("/usr/bin/cc").exists() || !Path::new("/usr/include/libcasper.h").exists() {
        println!("SKIPPED: the prototypes beside libcasper's headers: no cc or no libcasper.h");
        std::process::exit(SKIPPED);
    }
    let directory = tempfile::tempdir()?;
    for (name, text) in HEADERS {
        std::fs::write(directory.path().join(name), text)?;
    }
    let mut compiler = Command::new("/usr/bin/cc");
    compiler.args(["-std=gnu11", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", "check.c"]);
    let status = compiler.current_dir(directory.path()).status()?;
    ensure(status.success(), "a prototype differs from the system's header")
}
