//! Loading the libraries, each once and for good.
//!
//! libcasper is opened with `RTLD_GLOBAL`: the libraries of the services call it (`service_register`,
//! `cap_xfer_nvlist`) and name libnv alone as one that they need (`LIBADD` of their Makefiles), as C
//! programs link libcasper themselves. The services are opened with `RTLD_LOCAL`: libcap_dns and
//! libcap_net have functions of the same names, and each must find its own.
//!
//! Nothing is closed again (`RTLD_NODELETE`), since libcasper's list points into the libraries of the
//! services. `RTLD_NOW` makes a function that is missing an error here, and not in capability mode.

use std::sync::OnceLock;

use libc::{RTLD_GLOBAL, RTLD_LOCAL, RTLD_NODELETE, RTLD_NOW};
use libloading::os::unix::Library;

use super::bindings::{
    cap_dns::CapDns, cap_fileargs::CapFileargs, cap_grp::CapGrp, cap_net::CapNet,
    cap_netdb::CapNetdb, cap_pwd::CapPwd, cap_sysctl::CapSysctl, cap_syslog::CapSyslog,
    casper::Libcasper, nv::Nv,
};
use crate::{Error, Service};

const LIBCASPER: &str = "libcasper.so.1";

fn open(library: &'static str, scope: libc::c_int) -> Result<libloading::Library, Error> {
    // SAFETY: a library of FreeBSD's base system, found where the run-time linker looks for those.
    // Constructors of these libraries add to libcasper's list of services and do no more.
    let opened = unsafe { Library::open(Some(library), RTLD_NOW | RTLD_NODELETE | scope) };
    opened.map(Into::into).map_err(|error| unsupported(library, &error))
}

fn unsupported(library: &'static str, error: &libloading::Error) -> Error {
    // The linker's own words are the source in some variants, and a part of the text in others.
    let mut reason = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !reason.contains(&cause_text) {
            reason = format!("{reason}: {cause_text}");
        }
        source = cause.source();
    }
    Error::Unsupported { library, reason }
}

/// libcasper(3) itself.
pub(super) fn casper() -> Result<&'static Libcasper, Error> {
    static LOADED: OnceLock<Libcasper> = OnceLock::new();
    if let Some(loaded) = LOADED.get() {
        return Ok(loaded);
    }
    let library = open(LIBCASPER, RTLD_GLOBAL)?;
    // SAFETY: the types of the functions are those of libcasper.h.
    let loaded = unsafe { Libcasper::from_library(library) };
    let loaded = loaded.map_err(|error| unsupported(LIBCASPER, &error))?;
    Ok(LOADED.get_or_init(|| loaded))
}

/// nv(9), which libcasper needs: whatever version it has brought along.
pub(super) fn nv() -> Result<&'static Nv, Error> {
    static LOADED: OnceLock<Nv> = OnceLock::new();
    if let Some(loaded) = LOADED.get() {
        return Ok(loaded);
    }
    // The linker looks in a library and then in those that it needs.
    let library = open(LIBCASPER, RTLD_GLOBAL)?;
    // SAFETY: the types of the functions are those of sys/nv.h and sys/cnv.h.
    let loaded = unsafe { Nv::from_library(library) };
    let loaded = loaded.map_err(|error| unsupported(LIBCASPER, &error))?;
    Ok(LOADED.get_or_init(|| loaded))
}

macro_rules! services {
    ($($function:ident: $table:ident = $service:ident;)*) => {
        $(
            pub(super) fn $function() -> Result<&'static $table, Error> {
                static LOADED: OnceLock<$table> = OnceLock::new();
                if let Some(loaded) = LOADED.get() {
                    return Ok(loaded);
                }
                casper()?;
                let name = Service::$service.library();
                let library = open(name, RTLD_LOCAL)?;
                // SAFETY: the types of the functions are those of the service's header.
                let loaded = unsafe { $table::from_library(library) };
                let loaded = loaded.map_err(|error| unsupported(name, &error))?;
                Ok(LOADED.get_or_init(|| loaded))
            }
        )*

        /// Loads the library of a service, which thereby registers itself.
        pub(super) fn load(service: Service) -> Result<(), Error> {
            match service {
                $(Service::$service => $function().map(drop),)*
            }
        }
    };
}

services! {
    dns: CapDns = Dns;
    fileargs: CapFileargs = FileArgs;
    grp: CapGrp = Grp;
    net: CapNet = Net;
    netdb: CapNetdb = NetDb;
    pwd: CapPwd = Pwd;
    sysctl: CapSysctl = Sysctl;
    syslog: CapSyslog = Syslog;
}
