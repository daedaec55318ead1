//! docs/BENCHMARKS.md, each part of which is one run of its own command.

use std::fmt::Write as _;

use anyhow::Result;

/// A part of the page.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    /// What `cargo xtask bench` calls it.
    command: &'static str,
    title: &'static str,
    text: &'static str,
}

const HEAD: &str = "# Benchmarks\n\n\
     <!-- Written by `cargo xtask bench channel --write`, and the same with `starts` and `casper`. -->\n\n\
     What the sandbox costs is in [the book](src/figures.md). Each part of this page is one run of the\n\
     command that it names, on the machine and the kernel that it names: ratios are what can be\n\
     compared, and only within a part.\n";

pub(super) const CHANNELS: Part = Part {
    command: "channel",
    title: "Channels",
    text: "The contenders take turns, batch by batch; times are of one\n\
         operation. *Raw* is write(2) and read(2) of 64 bytes on a pair of sequenced-packet sockets, and\n\
         sendmsg(2) and recvmsg(2) with one descriptor. *recvmsg* is the round trip with recvmsg(2), which\n\
         whoever may be sent descriptors has to use. The two channel libraries send a string of 63\n\
         characters, which both encode with postcard to 64 bytes, and our header is 16 more. With *0 fds* our\n\
         ends take no descriptors (`Caps::descriptors`), and receive with recv(2). Theirs sends senders of\n\
         its own for descriptors.\n\n\
         The goals: a round trip at most 1.15 times the raw one, descriptors at most 1.2 times, and\n\
         16 MiB at most 1.2 times memcpy. A channel meets the first two. A call of a service is above the\n\
         first: threads share its connection, and it can be given up. Memory that is used again (`SharedMem`) meets the last. New\n\
         memory for each value (`SharedBytes`) does not: the kernel makes 4,096 pages, which is most of\n\
         what copying to any new memory takes, and the receiver maps them.\n",
};

pub(super) const STARTS: Part = Part {
    command: "starts",
    title: "Starts",
    text: "The contenders take turns, start by start. *Itself* is this program, which\n\
         returns at once from `main`: what the loader and the runtime take of any program of its size,\n\
         which a worker that is executed anew takes too; *entering* adds capability mode, with no descriptor but\n\
         the standard streams. A worker is held, and has answered, when its time\n\
         ends. procspawn executes the program anew, without a sandbox; its feature of backtraces is off.\n\
         Its pool hands a call from thread to thread before it comes to the process.\n\n\
         The goals: from the zygote less than fork(2) and waitpid(2) of the program, executed anew at most\n\
         1.5 times posix_spawn(3), and of a thousand workers at most 300 KiB that are private to each, the\n\
         start of all growing as a line. The second leaves little beyond starting any program\n\
         of this size by posix_spawn(3), and entering: a worker starts from the zygote's memory, as by\n\
         posix_spawn(3), and is besides asked. *Private* is `Private_Clean` and `Private_Dirty` of\n\
         /proc/PID/smaps_rollup, the median and the most of all workers. *Processor time* is that of the\n\
         program, the zygote and the worker together, which other processes do not lengthen.\n",
};

pub(super) const CASPER: Part = Part {
    command: "casper",
    title: "Casper services",
    text: "The contenders take turns, batch by batch. *Direct* is the call in this\n\
         program, without a service and without a sandbox, with what it finds put into Rust's types:\n\
         getaddrinfo(3) of the first name of /etc/hosts, getpwnam_r(3), open(2) and close(2) of a file. For a line of\n\
         the log it is what syslog(3) does: the time, the line, and send(2) to a datagram socket, which\n\
         this program reads beside the clock. *Service* is the same asked of a service, whose process\n\
         does it under its filter and Landlock. *Raw* is a round trip of 64 bytes on a pair of\n\
         sequenced-packet sockets with another process, which does nothing; *raw, a descriptor* is one whose answer\n\
         brings a descriptor, which is closed: no service that opens files can do with less.\n\n\
         The goal for `Dns`, `Pwd` and `Syslog`: at most 1.2 times what the direct call and the raw round trip\n\
         take together. With each end on its own processor that is met, or nearly; on one processor it is not. *Nothing*\n\
         is a request that makes no system call besides the answer: what is above the raw round trip there is the\n\
         call and what confines the process. *Raw with the call* is a process without any of this, which answers the\n\
         raw round trip after the direct call: between two switches of processes that takes longer than in a row. What a\n\
         ratio has beyond both is the filter and Landlock, and what is made of the result on both sides.\n\n\
         `FileArgs` is once asked for each file (`uncached`), and once reads a list from its start to its\n\
         end with the files that come along. Nothing else offers such services on Linux: libcasper's are\n\
         FreeBSD's.\n",
};

/// The order of the page.
const PARTS: [Part; 3] = [CHANNELS, STARTS, CASPER];

/// The page with this part made new.
pub(super) fn with(before: &str, part: &Part, figures: &str, rounds: u32) -> Result<String> {
    let mut page = HEAD.to_owned();
    for other in &PARTS {
        if other.title == part.title {
            page.push_str(&written(part, figures, rounds)?);
        } else if let Some(kept) = find(before, other) {
            write!(page, "\n{}\n", kept.trim_end())?;
        }
    }
    Ok(page)
}

fn heading(part: &Part) -> String {
    format!("\n## {}\n", part.title)
}

/// A part of the page as it is, with its heading.
fn find<'a>(page: &'a str, part: &Part) -> Option<&'a str> {
    let start = page.find(&heading(part))? + 1;
    let rest = &page[start..];
    let end = rest.find("\n## ").unwrap_or(rest.len());
    Some(&rest[..end])
}

fn written(part: &Part, figures: &str, rounds: u32) -> Result<String> {
    let mut text = heading(part);
    let command = part.command;
    writeln!(
        text,
        "\nOne run of\n\n```sh\ncargo xtask bench {command} --write --rounds {rounds}\n```\n"
    )?;
    writeln!(text, "on the machine that it names. {}", part.text)?;
    writeln!(text, "```text\n{}\n```", figures.trim())?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_made_new_and_the_others_stay() {
        let first = with("", &STARTS, "starts: 1", 7).expect("a page");
        assert!(first.contains("bench starts --write --rounds 7") && first.contains("starts: 1"));
        let both = with(&first, &CHANNELS, "channels: 2", 8).expect("a page");
        let channels = both.find("channels: 2").expect("channels");
        assert!(channels < both.find("starts: 1").expect("starts"));
        let again = with(&both, &STARTS, "starts: 3", 9).expect("a page");
        assert!(again.contains("channels: 2") && again.contains("--rounds 8"));
        assert!(again.contains("starts: 3") && !again.contains("starts: 1"));
        assert_eq!(with(&again, &STARTS, "starts: 3", 9).expect("a page"), again);
    }
}
