//! A program in capability mode that resolves a name, connects to a server, looks up a user, writes to the
//! system's log and reads a sysctl: by services, each within limits.
//!
//! ```sh
//! cargo run -p example-services -- [--provider native] HOST:PORT OTHER-HOST:PORT [SOCKET]
//! ```
//!
//! It connects to the first server, which its limits allow, and shows that the other one is refused.
//! `SOCKET` is where syslogd listens, unless it is where it does on this system.
//!
//! The services are processes of this program, or with `--provider native` those of FreeBSD's libcasper(3), for
//! which it is built with the feature `native`. libcasper has less: a limit that it cannot hold is an error, and
//! this program says so and goes on with a wider one. A program that must not go on ends there.

use std::{
    env,
    error::Error,
    io::{self, Read, Write},
    net::SocketAddr,
    path::PathBuf,
    process::ExitCode,
};

use capsicum_rs::{Rights, Sandbox};
use casper::{
    Casper, Dns, Limits, Net, Pwd, Sysctl, Syslog,
    dns::{DnsLimits, Families, Types},
    net::NetLimits,
    pwd::{Commands, Fields, PwdLimits},
    sysctl::{Access, SysctlLimits},
    syslog::{At, Connector, Facility, Options, Severity, SyslogLimits},
};
use sandbox_spawn::Worker;

const WORKERS: &[Worker] = &[
    casper::worker::<Dns>(),
    casper::worker::<Net>(),
    casper::worker::<Pwd>(),
    casper::worker::<Sysctl>(),
    casper::worker::<Syslog>(),
    casper::worker::<Connector>(),
];

/// The name of the system, which each one has under another name.
const OSTYPE: &[&str] = &["kern.ostype", "kernel.ostype"];

/// For standard streams and for the connection that is handed over.
const STREAM: Rights = Rights::READ.union(Rights::WRITE).union(Rights::FSTAT);

/// What is asked of the services once there are no names any more.
struct Services {
    dns: Dns,
    net: Net,
    pwd: Pwd,
    sysctl: Sysctl,
    ostype: &'static str,
    syslog: Syslog,
}

/// Who has the services.
#[derive(Clone, Copy)]
enum Provider {
    /// This program.
    Portable,
    /// libcasper(3).
    Native,
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("example-services: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    const USAGE: &str = "usage: example-services [--provider native|portable] HOST:PORT \
                         OTHER-HOST:PORT [SOCKET]";
    sandbox_spawn::init(WORKERS)?;
    let mut arguments = env::args().skip(1).peekable();
    let mut provider = Provider::Portable;
    if arguments.next_if_eq("--provider").is_some() {
        provider = match arguments.next().as_deref() {
            Some("native") => Provider::Native,
            Some("portable") => Provider::Portable,
            _ => return Err(USAGE.into()),
        };
    }
    let (Some(server), Some(other)) = (arguments.next(), arguments.next()) else {
        return Err(USAGE.into());
    };
    let (host, port) = parts(&server)?;
    let services = open(provider, host, port, arguments.next().map(PathBuf::from))?;

    let rights = casper::RIGHTS | STREAM;
    let entered = Sandbox::new()
        .grant(&services.dns, rights)
        .grant(&services.net, rights)
        .grant(&services.pwd, rights)
        .grant(&services.sysctl, rights)
        .grant(&services.syslog, rights)
        .grant(&io::stdout(), STREAM)
        .grant(&io::stderr(), STREAM)
        .ceiling(STREAM)
        .enter()?;
    println!("in capability mode, at the level {}", entered.containment);
    services.use_them(&server, &other)
}

/// Opens the services, and limits each to what is asked of it here. Nothing is opened later: who has
/// a `Casper` can open services without limits, so that it ends here.
fn open(
    provider: Provider,
    host: &str,
    port: &str,
    log: Option<PathBuf>,
) -> Result<Services, Box<dyn Error>> {
    let casper = match provider {
        Provider::Portable => Casper::start()?,
        Provider::Native => Casper::native(WORKERS)?,
    };
    let both = Families::V4 | Families::V6;

    let dns: Dns = casper.open()?;
    dns.limit(DnsLimits::nothing().types(Types::NAME2ADDR).families(both))?;

    let net: Net = casper.open()?;
    let resolved = NetLimits::nothing().families(both).connect_resolved();
    let named = resolved.clone().name2addr(Some(host), Some(port));
    if !held(net.limit(named))? {
        net.limit(resolved.name2addr(None, None).datagrams())?;
    }

    let pwd: Pwd = casper.open()?;
    pwd.limit(PwdLimits::unlimited().commands(Commands::NAME).fields(Fields::UID | Fields::SHELL))?;

    let sysctl: Sysctl = casper.open()?;
    // libcasper takes no name that there is not.
    let ostype = OSTYPE.iter().find(|name| sysctl.read(name).is_ok());
    let ostype = *ostype.ok_or("the system has no name")?;
    sysctl.limit(SysctlLimits::nothing().name(ostype, Access::READ))?;

    let syslog = match log {
        Some(path) => {
            let At(syslog) = casper.open_with(path)?;
            syslog
        }
        None => casper.open()?,
    };
    syslog.openlog("example", Options::PID, Facility::Daemon)?;
    let limits = SyslogLimits::all().idents(["example"]).facilities([Facility::Daemon]);
    held(syslog.limit(limits))?;
    Ok(Services { dns, net, pwd, sysctl, ostype, syslog })
}

/// Whether the provider holds this limit. Where it cannot, nothing of it was set.
fn held(limited: Result<(), casper::Error>) -> Result<bool, casper::Error> {
    match limited {
        Err(error @ casper::Error::Unsupported { .. }) => {
            println!("not held: {error}");
            Ok(false)
        }
        limited => limited.map(|()| true),
    }
}

impl Services {
    fn use_them(&self, server: &str, other: &str) -> Result<(), Box<dyn Error>> {
        let (host, port) = parts(server)?;
        println!("{host} is {:?}", self.dns.addresses(host)?);

        // Connecting is for what this channel has resolved.
        let found = self.net.getaddrinfo(Some(host), Some(port), casper::net::Hints::default())?;
        let addresses = found.addresses.iter().map(|info| info.address);
        let mut stream = self.connect(addresses)?;
        let mut greeting = String::new();
        stream.read_to_string(&mut greeting)?;
        println!("{server} says {greeting:?}");

        let other: SocketAddr = other.parse()?;
        match self.net.connect_tcp(other) {
            Ok(_) => return Err("the other server was reached".into()),
            Err(error) => println!("{other}: {error}"),
        }

        let root = self.pwd.by_name("root")?.ok_or("there is no root")?;
        println!("root is {:?}, with the shell {:?}", root.uid, root.shell);

        println!("this is {}", self.sysctl.text(self.ostype)?);

        self.syslog.syslog(Severity::Notice, "all of it done")?;
        io::stdout().flush()?;
        Ok(())
    }

    fn connect(
        &self,
        addresses: impl Iterator<Item = SocketAddr>,
    ) -> Result<std::net::TcpStream, Box<dyn Error>> {
        let mut last: Box<dyn Error> = "the name has no address".into();
        for address in addresses {
            match self.net.connect_tcp(address) {
                Ok(stream) => return Ok(stream),
                Err(error) => last = error.into(),
            }
        }
        Err(last)
    }
}

/// A host and a port.
fn parts(server: &str) -> Result<(&str, &str), Box<dyn Error>> {
    server.rsplit_once(':').ok_or_else(|| format!("{server}: not HOST:PORT").into())
}
