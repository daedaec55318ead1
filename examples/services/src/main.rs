//! A program in capability mode that resolves a name, connects to a server, looks up a user, writes to the
//! system's log and reads a sysctl: by services, each within limits.
//!
//! ```sh
//! cargo run -p example-services -- HOST:PORT OTHER-HOST:PORT [SOCKET]
//! ```
//!
//! It connects to the first server, which its limits allow, and shows that the other one is refused.
//! `SOCKET` is where syslogd listens, unless it is where it does on this system.

use std::{
    env,
    error::Error,
    io::{self, Read, Write},
    net::SocketAddr,
    path::PathBuf,
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
    syslog: Syslog,
}

fn main() -> Result<(), Box<dyn Error>> {
    sandbox_spawn::init(WORKERS)?;
    let mut arguments = env::args().skip(1);
    let (Some(server), Some(other)) = (arguments.next(), arguments.next()) else {
        return Err("usage: example-services HOST:PORT OTHER-HOST:PORT [SOCKET]".into());
    };
    let (host, port) = parts(&server)?;
    let services = open(host, port, arguments.next().map(PathBuf::from))?;

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

/// Opens the services, and limits each to what is asked of it here.
fn open(host: &str, port: &str, log: Option<PathBuf>) -> Result<Services, Box<dyn Error>> {
    let casper = Casper::start()?;
    let both = Families::V4 | Families::V6;

    let dns: Dns = casper.open()?;
    dns.limit(DnsLimits::nothing().types(Types::NAME2ADDR).families(both))?;

    let net: Net = casper.open()?;
    let resolved = NetLimits::nothing().families(both).name2addr(Some(host), Some(port));
    net.limit(resolved.connect_resolved())?;

    let pwd: Pwd = casper.open()?;
    pwd.limit(PwdLimits::unlimited().commands(Commands::NAME).fields(Fields::UID | Fields::SHELL))?;

    let sysctl: Sysctl = casper.open()?;
    let names = OSTYPE.iter();
    sysctl.limit(
        names.fold(SysctlLimits::nothing(), |limits, name| limits.name(name, Access::READ)),
    )?;

    let syslog = match log {
        Some(path) => {
            let At(syslog) = casper.open_with(path)?;
            syslog
        }
        None => casper.open()?,
    };
    syslog.openlog("example", Options::PID, Facility::Daemon)?;
    syslog.limit(SyslogLimits::all().idents(["example"]).facilities([Facility::Daemon]))?;
    Ok(Services { dns, net, pwd, sysctl, syslog })
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

        let system = OSTYPE.iter().find_map(|name| self.sysctl.text(name).ok());
        println!("this is {}", system.ok_or("the system has no name")?);

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
