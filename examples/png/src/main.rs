//! Decodes images that nobody vouches for. A worker does it, in capability mode: it reads the file that
//! it is handed, and can do nothing else.
//!
//! ```sh
//! cargo run -p example-png -- examples/png/{picture,bomb,picture}.png
//! ```
//!
//! `bomb.png` claims to have 40,000 by 40,000 pixels. Memory for that is not to be had, which kills the
//! worker; the next picture finds another one.

use std::{env, error::Error, fs::File, io::BufReader, time::Duration};

use capsicum_channel::{Handle, SharedBytes};
use capsicum_rs::Rights;
use sandbox_spawn::{Compartment, Inside, Pool, Resource, Worker, service};

#[service]
trait Decoder {
    fn decode(&mut self, png: Handle<File>) -> Result<(u32, u32, SharedBytes), String>;
}

struct Untrusting;

impl Decoder for Untrusting {
    fn decode(&mut self, png: Handle<File>) -> Result<(u32, u32, SharedBytes), String> {
        let mut decoder = image::ImageReader::new(BufReader::new(&*png));
        decoder.set_format(image::ImageFormat::Png);
        decoder.no_limits(); // The worker has its own.
        let pixels = decoder.decode().map_err(|error| error.to_string())?.into_rgba8();
        let bytes = SharedBytes::new(&pixels).map_err(|error| error.to_string())?;
        Ok((pixels.width(), pixels.height(), bytes))
    }
}

fn decoder(inside: Inside) -> u8 {
    DecoderServer::serve(inside.into_frames(), Untrusting).is_err().into()
}

const WORKERS: &[Worker] = &[Worker::new("decoder", decoder)];

fn main() -> Result<(), Box<dyn Error>> {
    sandbox_spawn::init(WORKERS)?;
    let worker = Compartment::builder("decoder")
        .ceiling(Rights::READ | Rights::SEEK | Rights::FSTAT | Rights::WRITE | Rights::MMAP_R)
        .rlimit(Resource::AddressSpace, 512 << 20);
    let decoders: Pool<DecoderClient> =
        Pool::builder(move || Ok(worker.spawn()?.into())).deadline(Duration::from_secs(5)).build();
    for path in env::args().skip(1) {
        let png = Handle::new(File::open(&path)?);
        match decoders.call(|decoder| decoder.decode(png)) {
            Ok((width, height, rgba)) => println!("{path}: {width}x{height}, {} bytes", rgba.len()),
            Err(error) => println!("{path}: {error}"),
        }
    }
    Ok(())
}
