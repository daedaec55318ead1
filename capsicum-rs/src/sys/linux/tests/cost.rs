//! What programs cost: their length, and how many instructions a call executes.
//!
//! `cargo xtask bench` reads the lines that begin with `figure`: the programs, so that it can
//! install the same by hand, and the calls that they allow, so that it can let others compile the
//! same policy. The time that compiling takes is printed and decides nothing.

use std::{
    fmt::Write,
    time::{Duration, Instant},
};

use super::{super::syscalls::table, *};
use crate::Containment;

/// The first number that is granted.
const FIRST: u32 = 3;

/// Directories, files and sockets as the bench package grants them: in no order after the first
/// four, so that no two words of a bitmap are the same by design.
fn typical(grants: u32, level: Containment) -> Policy {
    let mut policy = policy(Kind::Enter, Rights::NONE);
    let landlock = level >= Containment::Landlock;
    policy.landlock = landlock;
    policy.signal_scope = landlock;
    policy.directories = level == Containment::Directories;
    // The third is a socket.
    policy.arrives = policy.directories && grants > 2;
    policy.statable = policy.directories && !policy.arrives;
    let contained = policy.directories;
    (0..grants).fold(policy, |policy, index| {
        let number = FIRST + index;
        let directory = Rights::READ | Rights::FSTAT;
        let kind = if index < 4 { index } else { index.wrapping_mul(0x9e37_79b9) >> 28 & 3 };
        match kind {
            0 if landlock => policy
                .grant(number, directory | Rights::LOOKUP)
                .known(number, Object { contained, known: true, ..Object::default() }),
            0 => policy.grant(number, directory),
            1 => policy.grant(number, Rights::READ | Rights::WRITE | Rights::SEEK | Rights::FSTAT),
            _ => policy
                .grant(number, Rights::READ | Rights::WRITE)
                .known(number, Object { addressless: true, ..Object::default() }),
        }
    })
}

fn executed(program: &[Insn], name: &str, args: &[u64]) -> usize {
    let mut padded = [0; 6];
    padded[..args.len()].copy_from_slice(args);
    let arch = Arch::HOST;
    let number = number(arch, name).unwrap_or_else(|| panic!("no such call: {name}"));
    run(program, &Call { arch: arch.audit(), number, args: padded }).executed
}

/// The mean of the calls that programs spend their time in.
fn typically(program: &[Insn]) -> usize {
    let [directory, file, socket] = [FIRST, FIRST + 1, FIRST + 2].map(u64::from);
    let calls: &[(&str, &[u64])] = &[
        ("read", &[file, POINTER, 4096]),
        ("write", &[file, POINTER, 4096]),
        ("pread64", &[file, POINTER, 4096, 0]),
        ("fstat", &[file, POINTER]),
        ("openat", &[directory, POINTER, 0o2_000_000]),
        ("close", &[1000]),
        ("sendmsg", &[socket, POINTER, 0]),
        ("futex", &[POINTER, 0, 1]),
        ("mmap", &[0, 4096, 3, 0x22, u64::MAX, 0]),
    ];
    calls.iter().map(|(name, args)| executed(program, name, args)).sum::<usize>() / calls.len()
}

/// The most of any call, with any one of the descriptors, or flags, in every argument.
fn worst(program: &[Insn], grants: u32) -> usize {
    let arch = Arch::HOST;
    let numbers = table().filter_map(|row| row.number(arch)).chain([599]);
    let values = (0..=FIRST + grants).map(u64::from).chain([1030, 0x5421, u64::MAX, POINTER]);
    let values: Vec<u64> = values.collect();
    numbers
        .flat_map(|number| values.iter().map(move |value| (number, *value)))
        .map(|(number, value)| {
            let of = |args| run(program, &Call { arch: arch.audit(), number, args }).executed;
            let first = u64::from(FIRST);
            of([value; 6]).max(of([first, value, value, value, value, value]))
        })
        .max()
        .unwrap_or(0)
}

fn compile_time(policy: &Policy) -> Duration {
    let once = |_| {
        let started = Instant::now();
        std::hint::black_box(compile(policy, Arch::HOST));
        started.elapsed()
    };
    (0..20).map(once).min().unwrap_or_default()
}

fn print_program(level: Containment, grants: u32) -> Vec<Insn> {
    let policy = typical(grants, level);
    let program = compile(&policy, Arch::HOST);
    let mut code = String::new();
    for Insn { code: op, jt, jf, k } in &program {
        let comma = if code.is_empty() { "" } else { "," };
        write!(code, "{comma}{op:x}:{jt:x}:{jf:x}:{k:x}").expect("a string takes everything");
    }
    println!("figure program {level} {grants} {code}");
    let micros = compile_time(&policy).as_secs_f64() * 1e6;
    println!("figure compile {level} {grants} {micros:.1}");
    program
}

#[test]
fn what_a_call_costs_hardly_grows_with_the_grants() {
    println!();
    let mut costs = Vec::new();
    for grants in [1, 4, 16, 64, 256] {
        let program = print_program(Containment::Landlock, grants);
        costs.push((grants, program.len(), worst(&program, grants), typically(&program)));
        print_program(Containment::Descriptors, grants);
        print_program(Containment::Directories, grants);
    }
    println!("{:>8} {:>8} {:>8} {:>8}", "grants", "length", "worst", "typical");
    for (grants, length, worst, typical) in &costs {
        println!("{grants:>8} {length:>8} {worst:>8} {typical:>8}");
        println!("figure executed {grants} {typical} {worst}");
    }
    let (_, _, _, typical_of_few) = costs[1];
    for (grants, length, worst, typical) in costs {
        assert!(length <= 1200, "{length} instructions for {grants} grants");
        assert!(worst <= 64, "{worst} executed at worst for {grants} grants");
        assert!(typical <= typical_of_few + 8, "{typical} executed typically for {grants} grants");
    }
}

#[test]
fn every_call_is_decided_with_or_without_its_arguments() {
    println!();
    let program = compile(&typical(4, Containment::Landlock), Arch::HOST);
    let of = |number, args| run(&program, &Call { arch: Arch::HOST.audit(), number, args });
    let mut free = 0;
    for number in table().filter_map(|row| row.number(Arch::HOST)) {
        let outcome = of(number, [0; 6]);
        if outcome.looked_at_arguments {
            println!("figure conditional {number}");
        } else if outcome.verdict == Verdict::Allow {
            println!("figure free {number}");
            free += 1;
        }
        // What was decided without arguments is so for all of them: the kernel remembers it.
        let other = of(number, [u64::MAX; 6]);
        assert!(outcome.looked_at_arguments || outcome == other, "call {number}");
    }
    assert!(free >= 50, "{free} calls are allowed whatever their arguments");
}
