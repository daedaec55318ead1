//! The bindings are those of the headers, as far as that can be seen without libclang: every function,
//! and how many arguments it takes. `cargo xtask casper --check` makes them anew and compares all of it.

use std::collections::BTreeMap;

/// A header and its bindings, as they were when this was compiled: who runs it may have none of the sources.
macro_rules! pairs {
    ($($name:literal),* $(,)?) => {
        [$((
            $name,
            include_str!(concat!("../headers/", $name, ".h")),
            include_str!(concat!("../src/sys/freebsd/bindings/", $name, ".rs")),
        )),*]
    };
}

/// Arguments between a pair of parentheses whose inside this is.
fn arguments(inside: &str) -> usize {
    let listed = inside.split(',').map(str::trim).filter(|argument| !argument.is_empty());
    listed.filter(|argument| *argument != "void").count()
}

/// The prototypes of a header.
fn prototypes(text: &str) -> BTreeMap<String, usize> {
    let mut text = text.to_owned();
    while let Some((start, length)) =
        text.find("/*").and_then(|start| Some((start, text[start..].find("*/")? + 2)))
    {
        text.replace_range(start..start + length, "");
    }
    let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    let lines = lines.join(" ");
    let mut found = BTreeMap::new();
    for statement in lines.split(';') {
        if let Some((head, rest)) = statement.split_once('(') {
            let name = head.rsplit([' ', '*']).next().expect("a name");
            let inside = rest.rsplit_once(')').expect("the end of the arguments").0;
            found.insert(name.to_owned(), arguments(inside));
        }
    }
    found
}

/// The functions of the structure in bindings.
fn bound(text: &str) -> BTreeMap<String, usize> {
    let mut found = BTreeMap::new();
    for field in text.split("    pub ").skip(1) {
        if let Some((name, rest)) = field.split_once(": unsafe extern \"C\" fn(") {
            let inside = rest.split_once(')').expect("the end of the arguments").0;
            found.insert(name.to_owned(), arguments(inside));
        }
    }
    found
}

#[test]
fn every_prototype_is_bound_and_nothing_else_is() {
    let mut count = 0;
    for (name, header, bindings) in pairs![
        "nv",
        "casper",
        "cap_dns",
        "cap_fileargs",
        "cap_grp",
        "cap_net",
        "cap_netdb",
        "cap_pwd",
        "cap_sysctl",
        "cap_syslog",
    ] {
        let (header, bindings) = (prototypes(header), bound(bindings));
        assert_eq!(header, bindings, "{name}: run `cargo xtask casper`");
        count += header.len();
    }
    assert!(count > 50, "{count} functions were found");
}

#[test]
fn a_difference_is_seen() {
    let header = "/* x(3) */\n#include \"types.h\"\n\nint one(int a,\n    char *const b[]);\nint *two(void);\n";
    let header = prototypes(header);
    assert_eq!(header, BTreeMap::from([("one".to_owned(), 2), ("two".to_owned(), 0)]));
    let bindings = "pub struct T {\n    pub one: unsafe extern \"C\" fn(\n        a: c_int,\n    ) -> c_int,\n}\n";
    assert_eq!(bound(bindings), BTreeMap::from([("one".to_owned(), 1)]));
}
