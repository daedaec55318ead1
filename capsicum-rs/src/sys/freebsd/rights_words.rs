//! Rights as the kernel writes them, and what a release that lacks some of them makes of a set.
//!
//! A `cap_rights_t` of version 0 has two words. The top two bits of word 0 hold the version, and
//! bit 57 + *i* of word *i* says which word it is; the rights are below.

use crate::Rights;

/// The bits of a word that are rights.
const RIGHTS: u64 = (1 << 57) - 1;

/// The words of a set, as `cap_rights_init(3)` makes them.
pub(crate) const fn to_words(rights: Rights) -> [u64; 2] {
    let bits = rights.bits().to_le_bytes();
    let (mut low, mut high) = ([0; 8], [0; 8]);
    let mut byte = 0;
    while byte < 8 {
        low[byte] = bits[byte];
        high[byte] = bits[byte + 8];
        byte += 1;
    }
    [u64::from_le_bytes(low) & RIGHTS | 1 << 57, u64::from_le_bytes(high) & RIGHTS | 1 << 58]
}

/// The set that the kernel's words hold. Rights of a later release than 15 have no name here and
/// are left out.
pub(crate) fn from_words(words: [u64; 2]) -> Rights {
    let [low, high] = words.map(|word| u128::from(word & RIGHTS));
    Rights::from_bits_truncate(low | high << 64)
}

/// What a descriptor's rights are called: everything, where it has all that the kernel knows.
pub(crate) fn named(held: Rights, kernel: Rights) -> Rights {
    if held.contains(kernel) { Rights::ALL } else { held }
}

/// The part of a set that the kernel can be given, or `Err` with the rights that it lacks.
///
/// A set of more than half of all rights was made by taking some away from [`Rights::ALL`], which
/// means whatever the kernel has; in smaller ones a right was asked for by its name.
pub(crate) fn askable(asked: Rights, kernel: Rights) -> Result<Rights, Rights> {
    let lacking = asked.difference(kernel);
    let made_from_all = asked.bits().count_ones() > Rights::ALL.bits().count_ones() / 2;
    if lacking.is_empty() || made_from_all && Rights::ALL.contains(lacking) {
        Ok(asked & kernel)
    } else {
        Err(lacking)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What FreeBSD 14 knows: `CAP_ALL0` and `CAP_ALL1` of its sys/capsicum.h.
    const FREEBSD_14: [u64; 2] = [0x0200_07ff_ffff_ffff, 0x0400_0000_001f_ffff];

    #[test]
    fn every_right_comes_back_from_its_words() {
        for (name, right) in Rights::each() {
            assert_eq!(from_words(to_words(right)), right, "{name}");
        }
        assert_eq!(from_words(to_words(Rights::ALL)), Rights::ALL);
        assert_eq!(from_words(to_words(Rights::NONE)), Rights::NONE);
    }

    #[test]
    fn the_words_carry_their_index_and_version_0() {
        assert_eq!(to_words(Rights::NONE), [0x0200_0000_0000_0000, 0x0400_0000_0000_0000]);
        assert_eq!(to_words(Rights::READ | Rights::IOCTL), [1 | 1 << 57, 0x80 | 1 << 58]);
        assert_eq!(to_words(Rights::ALL), [0x0200_0fff_ffff_ffff, 0x0400_0000_007f_ffff]);
    }

    #[test]
    fn bits_without_a_name_are_no_rights() {
        let words = [0x0200_0000_0000_0001 | 1 << 50, 0x0400_0000_0000_0000 | 1 << 40];
        assert_eq!(from_words(words), Rights::READ);
    }

    #[test]
    fn all_that_the_kernel_knows_is_called_all() {
        let kernel = from_words(FREEBSD_14);
        assert_eq!(named(kernel, kernel), Rights::ALL);
        assert_eq!(named(kernel - Rights::WRITE, kernel), kernel - Rights::WRITE);
    }

    #[test]
    fn a_right_that_the_kernel_lacks_is_refused_by_its_name() {
        let kernel = from_words(FREEBSD_14);
        assert_eq!(askable(Rights::READ | Rights::FCHROOT, kernel), Err(Rights::FCHROOT));
        assert_eq!(askable(Rights::READ, kernel), Ok(Rights::READ));
        assert_eq!(askable(Rights::FCHROOT, Rights::ALL), Ok(Rights::FCHROOT));
    }

    #[test]
    fn all_rights_and_all_but_some_mean_those_that_the_kernel_has() {
        let kernel = from_words(FREEBSD_14);
        assert_eq!(askable(Rights::ALL, kernel), Ok(kernel));
        for (name, right) in Rights::each() {
            assert_eq!(askable(Rights::ALL - right, kernel), Ok(kernel - right), "{name}");
        }
    }

    #[test]
    fn bits_that_are_no_rights_are_refused_among_many_too() {
        let foreign = Rights::from_bits_retain(1 << 50);
        let asked = Rights::from_bits_retain(Rights::ALL.bits() | foreign.bits());
        assert_eq!(askable(asked, Rights::ALL), Err(foreign));
    }
}
