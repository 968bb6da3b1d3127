//! TFRecord, the framing of TensorBoard's event files: length (8 bytes), CRC of the length (4), bytes, CRC of the bytes
//! (4), all little-endian. The CRC is CRC-32C, rotated and shifted so that records may hold CRCs themselves.

/// Bytes before a record's own: its length and the CRC of that.
const HEAD: usize = 12;
/// Bytes after them: their CRC.
const TAIL: usize = 4;

fn masked(bytes: &[u8]) -> u32 {
    crc32c::crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8)
}

/// Appends a record to `file`.
pub fn write(bytes: &[u8], file: &mut Vec<u8>) {
    let length = (bytes.len() as u64).to_le_bytes();
    file.extend(length);
    file.extend(masked(&length).to_le_bytes());
    file.extend(bytes);
    file.extend(masked(bytes).to_le_bytes());
}

/// The records of a file, each with the offset behind it. Ends at the first that is cut off or damaged: what comes
/// after it cannot be told apart.
pub fn records(file: &[u8]) -> impl Iterator<Item = (&[u8], usize)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let (bytes, size) = first(file.get(at..)?)?;
        at += size;
        Some((bytes, at))
    })
}

/// The record that `file` begins with, and its size with all that is round it.
fn first(file: &[u8]) -> Option<(&[u8], usize)> {
    let (length, rest) = file.split_first_chunk::<8>()?;
    let (crc, rest) = rest.split_first_chunk::<4>()?;
    if masked(length) != u32::from_le_bytes(*crc) {
        return None;
    }
    let (bytes, rest) = rest.split_at_checked(usize::try_from(u64::from_le_bytes(*length)).ok()?)?;
    let crc = rest.first_chunk::<4>()?;
    (masked(bytes) == u32::from_le_bytes(*crc)).then_some((bytes, HEAD + bytes.len() + TAIL))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file() -> Vec<u8> {
        let mut file = Vec::new();
        for record in [&b"one"[..], b"", b"three"] {
            write(record, &mut file);
        }
        file
    }

    /// CRC-32C of 32 zero bytes is 0x8a9136aa (RFC 3720, B.4); masked by hand.
    #[test]
    fn the_crc_is_castagnolis_and_masked() {
        assert_eq!(crc32c::crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(masked(&[0; 32]), 0x0fd7_fffa);
    }

    /// The first bytes of every event file that TensorFlow writes, for a record of 24 bytes: its length and their CRC.
    #[test]
    fn the_head_is_tensorflows() {
        let mut file = Vec::new();
        write(&[0; 24], &mut file);
        assert_eq!(file[..12], [0x18, 0, 0, 0, 0, 0, 0, 0, 0xa3, 0x7f, 0x4b, 0x22]);
    }

    #[test]
    fn records_read_back_with_where_they_end() {
        let file = file();
        let found: Vec<_> = records(&file).collect();
        assert_eq!(found, [(&b"one"[..], 19), (b"", 35), (b"three", 56)]);
        assert_eq!(file.len(), 56);
    }

    #[test]
    fn what_is_cut_off_or_changed_ends_the_file() {
        let file = file();
        for length in 0..file.len() {
            let whole = [19, 35, 56].iter().filter(|&&end| end <= length).count();
            assert_eq!(records(&file[..length]).count(), whole, "{length}");
        }
        for at in 0..file.len() {
            let mut changed = file.clone();
            changed[at] ^= 0x10;
            let whole = [19, 35, 56].iter().filter(|&&end| end <= at).count();
            assert_eq!(records(&changed).count(), whole, "{at}");
        }
    }
}
