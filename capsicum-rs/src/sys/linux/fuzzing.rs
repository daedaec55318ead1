//! What `fuzz/` drives: a filter and its model made of arbitrary bytes. The tests drive it too.

use super::{
    compile::compile,
    interpreter::run,
    model::Call,
    policy::{Held, Kind, Object, Policy},
    syscalls::{Arch, table},
};
use crate::{Fcntls, Ioctls, Limits, Rights, program::Names};

/// Bytes that are used up one after the other; behind their end are zeros.
struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn byte(&mut self) -> u8 {
        match self.0 {
            [first, rest @ ..] => {
                self.0 = rest;
                *first
            }
            [] => 0,
        }
    }

    fn word(&mut self) -> u32 {
        u32::from_le_bytes([(); 4].map(|()| self.byte()))
    }

    fn long(&mut self) -> u64 {
        u64::from(self.word()) << 32 | u64::from(self.word())
    }

    /// Small numbers mostly.
    fn number(&mut self) -> u32 {
        match self.byte() {
            255 => self.word(),
            254 => libc::AT_FDCWD.cast_unsigned(),
            small => (small % 80).into(),
        }
    }

    fn rights(&mut self) -> Rights {
        let start = if self.byte() & 1 == 0 { Rights::NONE } else { Rights::ALL };
        let count = self.byte() % 8;
        let each: Vec<Rights> = Rights::each().map(|(_, right)| right).collect();
        (0..count).fold(start, |rights, _| {
            let one = each[usize::from(self.byte()) % each.len()];
            if start.is_empty() { rights | one } else { rights.difference(one) }
        })
    }

    fn limits(&mut self) -> Limits {
        let rights = self.rights();
        let fcntls = Fcntls::from_bits_truncate(self.byte().into());
        let requests = [0x5401, 0x5412, 0x5413, 0x5421, 0x5450, 0x5451, 0x4008_6602, 7];
        let named = self.byte();
        let ioctls = if named == 0 {
            Ioctls::All
        } else {
            let some = (0..8).filter(|bit| named >> bit & 1 != 0).map(|bit| requests[bit]);
            Ioctls::only(some)
        };
        Limits::from(rights).fcntls(fcntls).ioctls(ioctls)
    }

    fn policy(&mut self) -> Policy {
        let kind = match self.byte() % 4 {
            0 => Kind::Limit,
            1 => Kind::Confine(
                Names::from_bits_truncate(self.word()),
                Names::from_bits_truncate(self.word()),
            ),
            _ => Kind::Enter,
        };
        let facts = u32::from(self.byte()) << 8 | u32::from(self.byte());
        let fact = |bit: u32| facts >> bit & 1 != 0;
        let ceiling = self.limits();
        let grants = self.byte() % 70;
        let granted = (0..grants).map(|_| {
            let (number, limits, known) = (self.number(), self.limits(), self.byte());
            let object = Object {
                read_only: known & 1 != 0,
                addressless: known & 2 != 0,
                contained: known & 4 != 0,
                known: known & 8 != 0,
                relimited: known & 16 != 0,
            };
            (number, Held { limits, object })
        });
        Policy {
            kind,
            granted: granted.collect(),
            ceiling,
            capability: kind == Kind::Enter || kind == Kind::Limit && fact(0),
            landlock: fact(1),
            signal_scope: fact(2),
            addressable: fact(3),
            reopens: fact(4),
            directories: fact(5),
            arrives: fact(6),
            statable: fact(7),
            brokered: fact(8),
            traps: fact(9),
            pid: 4321,
        }
    }

    fn call(&mut self, arch: Arch, numbers: &[u32]) -> Call {
        let number = match self.byte() {
            255 => self.word(),
            at => numbers[(usize::from(at) << 1 | usize::from(self.byte() & 1)) % numbers.len()],
        };
        let arch = if self.byte() == 255 { self.word() } else { arch.audit() };
        let args = [(); 6].map(|()| match self.byte() {
            255 => self.long(),
            254 => 4321,
            253 => self.word().into(),
            _ => self.number().into(),
        });
        Call { arch, number, args }
    }
}

/// Panics where the filter of a policy says something else than the model, for some call.
pub(crate) fn filter(data: &[u8]) {
    let mut bytes = Bytes(data);
    let arch = if bytes.byte() & 1 == 0 { Arch::X86_64 } else { Arch::Aarch64 };
    let policy = bytes.policy();
    let program = compile(&policy, arch);
    if program.len() > super::limit::MOST {
        return;
    }
    let numbers: Vec<u32> = table().filter_map(|row| row.number(arch)).collect();
    loop {
        let call = bytes.call(arch, &numbers);
        let verdict = run(&program, &call).verdict;
        assert_eq!(verdict, policy.verdict(arch, &call), "{call:x?} under {policy:?}");
        if bytes.0.is_empty() {
            break;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection, prelude::*};

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn filter_and_model_agree_on_arbitrary_bytes(data in collection::vec(any::<u8>(), 0..4000)) {
            super::filter(&data);
        }
    }
}
