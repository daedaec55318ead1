//! Systems without libcasper say so, and each library has its name.
#![cfg(not(target_os = "freebsd"))]

use casper_sys::{Casper, Error, Service};

#[test]
fn without_libcasper_the_error_names_the_library() {
    for service in Service::ALL {
        let Err(Error::Unsupported { library, reason }) = Casper::start(&[service]) else {
            panic!("{service} was started");
        };
        assert_eq!(library, service.library());
        assert!(reason.contains(std::env::consts::OS), "{reason}");
    }
    let error = Casper::start(&[]).expect_err("no libcasper");
    assert!(error.to_string().starts_with("libcasper.so.1 is not to be had here: "), "{error}");
}
