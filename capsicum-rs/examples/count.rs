//! Counts the lines of a file, in capability mode: by then the program can do nothing else.
//!
//! `cargo run --example count -- Cargo.toml`

use std::{
    env,
    fs::File,
    io::{self, BufRead, BufReader, Write},
};

use capsicum_rs::{CapabilityError, Rights, Sandbox, is_capability_error};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = env::args_os().nth(1).ok_or("usage: count FILE")?;
    // Everything that has a name is opened first.
    let input = File::open(&path)?;
    let (mut output, errors) = (io::stdout(), io::stderr());

    let entered = Sandbox::new()
        .grant(&input, Rights::READ)
        .grant(&output, Rights::WRITE)
        .grant(&errors, Rights::WRITE)
        .enter()?;

    // From here on the file's content is handled, whatever it does to the code that reads it.
    let lines = BufReader::new(&input).lines().count();
    writeln!(output, "{lines} lines, read at the level {}", entered.containment)?;

    // Linux has no text for this error number.
    let refused = File::open(&path).map(drop).unwrap_err();
    let refusal = is_capability_error(&refused).ok_or(refused)?;
    assert_eq!(refusal, CapabilityError::CapabilityMode);
    writeln!(output, "opening the same file again: {refusal}")?;
    Ok(())
}
