//! A worker's standard error, line by line.

use std::{
    io::{self, BufRead, BufReader, Read},
    thread,
};

/// The longest line; a longer one is several.
const LINE: u64 = 4 << 10;
/// How much of one worker is passed on.
const TOTAL: usize = 1 << 20;
/// The thread does little.
const STACK: usize = 128 << 10;

/// Makes events of the lines of a pipe. The thread ends when everyone who could write has closed it.
pub(crate) fn start(name: &str, reader: io::PipeReader) -> io::Result<()> {
    let worker = name.to_owned();
    thread::Builder::new()
        .name("worker-stderr".to_owned())
        .stack_size(STACK)
        .spawn(move || pass_on(&worker, reader))
        .map(drop)
}

fn pass_on(worker: &str, reader: impl Read) {
    let mut passed = 0;
    lines(reader, |line| {
        if passed <= TOTAL {
            passed += line.len();
            if passed > TOTAL {
                tracing::info!(target: "sandbox_spawn::stderr", worker, "no more of it is told");
            } else {
                // A worker may write anything, control characters included.
                let line = String::from_utf8_lossy(line);
                tracing::info!(target: "sandbox_spawn::stderr", worker, "{}", line.escape_debug());
            }
        }
    });
}

/// Calls this with each line, without its end.
fn lines(reader: impl Read, mut each: impl FnMut(&[u8])) {
    let mut reader = BufReader::new(reader);
    let mut line = Vec::new();
    loop {
        line.clear();
        match (&mut reader).take(LINE).read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => return,
            Ok(_) => each(line.strip_suffix(b"\n").unwrap_or(&line)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{LINE, lines};

    #[test]
    fn a_line_is_told_as_it_is_and_a_long_one_in_parts() {
        let mut text = b"one\n\ntwo\n".to_vec();
        let long = usize::try_from(LINE).unwrap() + 5;
        text.extend(vec![b'x'; long]);
        let mut told = Vec::new();
        lines(&text[..], |line| told.push(line.to_vec()));
        assert_eq!(told[..3], [b"one".to_vec(), b"".to_vec(), b"two".to_vec()]);
        assert_eq!(told[3..].iter().map(Vec::len).collect::<Vec<_>>(), [long - 5, 5]);
    }
}
