//! Archives in the format of tar(5), as much as the demo needs: names of what is in one, and a
//! packer for hosts that have none.

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    os::unix::ffi::OsStrExt,
    path::Path,
};

const BLOCK: usize = 512;

/// What the demo does not pack: build output and history.
pub(super) const LEFT_OUT: [&str; 2] = ["target", ".git"];

/// The names of the entries of an archive. An entry whose name does not fit in its header is
/// counted by the part that does.
pub(super) fn list(mut archive: impl Read) -> io::Result<Vec<String>> {
    let fault = |what| io::Error::new(io::ErrorKind::InvalidData, what);
    let mut names = Vec::new();
    let mut header = [0; BLOCK];
    loop {
        archive.read_exact(&mut header)?;
        if header.iter().all(|&byte| byte == 0) {
            // What pads the end, so that whoever writes it is not cut off.
            io::copy(&mut archive, &mut io::sink())?;
            return Ok(names);
        }
        if number(&header[148..156]) != Some(checksum(&header)) {
            return Err(fault("an entry's checksum is wrong"));
        }
        let size = number(&header[124..136]).ok_or_else(|| fault("an entry's size is wrong"))?;
        // What extends the next entry is none itself.
        if !matches!(header[156], b'L' | b'K' | b'x' | b'g') {
            let prefix = if header[257..263] == *b"ustar\0" {
                text(&header[345..500])
            } else {
                String::new()
            };
            let name = text(&header[..100]);
            names.push(if prefix.is_empty() { name } else { format!("{prefix}/{name}") });
        }
        let padded = size.next_multiple_of(BLOCK as u64);
        if io::copy(&mut (&mut archive).take(padded), &mut io::sink())? != padded {
            return Err(fault("an entry is cut off"));
        }
    }
}

fn text(field: &[u8]) -> String {
    let end = field.iter().position(|&byte| byte == 0).unwrap_or(field.len());
    String::from_utf8_lossy(&field[..end]).into_owned()
}

fn number(field: &[u8]) -> Option<u64> {
    u64::from_str_radix(text(field).trim_matches(' '), 8).ok()
}

/// The sum of a header's bytes, its own field taken as spaces.
fn checksum(header: &[u8; BLOCK]) -> u64 {
    let sum = |bytes: &[u8]| bytes.iter().map(|&byte| u64::from(byte)).sum::<u64>();
    sum(&header[..148]) + 8 * u64::from(b' ') + sum(&header[156..])
}

/// Packs what is beneath a directory; returns how many entries that made.
pub(super) fn pack(tree: &Path, archive: &Path) -> io::Result<usize> {
    let mut writer = io::BufWriter::new(File::create(archive)?);
    let count = pack_directory(tree, Path::new("."), &mut writer)?;
    writer.write_all(&[0; 2 * BLOCK])?;
    writer.flush()?;
    Ok(count)
}

fn pack_directory(tree: &Path, below: &Path, writer: &mut impl Write) -> io::Result<usize> {
    let mut entries: Vec<_> = fs::read_dir(tree.join(below))?.collect::<Result<_, _>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    let mut count = 0;
    for entry in entries {
        let path = below.join(entry.file_name());
        let kind = entry.file_type()?;
        if below == Path::new(".") && LEFT_OUT.iter().any(|name| entry.file_name() == *name) {
            continue;
        }
        if kind.is_dir() {
            write_entry(&path, b'5', &[], &[], writer)?;
            count += 1 + pack_directory(tree, &path, writer)?;
        } else if kind.is_symlink() {
            write_entry(
                &path,
                b'2',
                &[],
                fs::read_link(entry.path())?.as_os_str().as_bytes(),
                writer,
            )?;
            count += 1;
        } else if kind.is_file() {
            write_entry(&path, b'0', &fs::read(entry.path())?, &[], writer)?;
            count += 1;
        }
    }
    Ok(count)
}

fn write_entry(
    path: &Path,
    kind: u8,
    content: &[u8],
    link: &[u8],
    writer: &mut impl Write,
) -> io::Result<()> {
    let name = path.as_os_str().as_bytes();
    if name.len() >= 100 {
        write_block(b"././@LongLink", b'L', name, &[], writer)?;
    }
    write_block(&name[..name.len().min(99)], kind, content, &link[..link.len().min(99)], writer)
}

fn write_block(
    name: &[u8],
    kind: u8,
    content: &[u8],
    link: &[u8],
    writer: &mut impl Write,
) -> io::Result<()> {
    let mut header = [0; BLOCK];
    let mut put = |at: usize, bytes: &[u8]| header[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, name);
    put(100, if kind == b'5' { b"0000755\0" } else { b"0000644\0" });
    put(108, b"0000000\0");
    put(116, b"0000000\0");
    put(124, format!("{:011o}\0", content.len()).as_bytes());
    put(136, b"00000000000\0");
    put(156, &[kind]);
    put(157, link);
    put(257, b"ustar  \0");
    let sum = checksum(&header);
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    writer.write_all(&header)?;
    writer.write_all(content)?;
    writer.write_all(&vec![0; content.len().next_multiple_of(BLOCK) - content.len()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_is_listed() {
        let dir = tempfile::tempdir().unwrap();
        let tree = dir.path().join("tree");
        let long = "n".repeat(120);
        fs::create_dir_all(tree.join("target")).unwrap();
        fs::create_dir_all(tree.join("d")).unwrap();
        fs::write(tree.join("d/f"), vec![7; 600]).unwrap();
        fs::write(tree.join(&long), "x").unwrap();
        std::os::unix::fs::symlink("d/f", tree.join("l")).unwrap();
        let archive = dir.path().join("a.tar");
        assert_eq!(pack(&tree, &archive).unwrap(), 4);
        let names = list(File::open(&archive).unwrap()).unwrap();
        assert_eq!(names.len(), 4, "{names:?}");
        assert!(names.contains(&"./d/f".to_owned()), "{names:?}");
        let bytes = fs::read(&archive).unwrap();
        assert!(list(&bytes[..bytes.len() - 2000]).is_err(), "an archive that is cut off");
        let mut broken = bytes;
        broken[0] ^= 1;
        assert!(list(&broken[..]).is_err(), "a header that was changed");
    }
}
