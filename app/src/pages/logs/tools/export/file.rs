//! A response's body into a file. With the File System Access API it goes to the disk as it comes; else into blobs, which the browser
//! may keep on the disk, and then into a download.

use js_sys::{Array, Function, Object, Promise, Reflect, Uint8Array};
use leptos::prelude::{document, window};
use model::Problem;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{AbortController, Blob, HtmlAnchorElement, ReadableStreamDefaultReader, RequestInit, Response, Url};

/// Chunks in the page's own memory before they become a blob.
const HELD_BYTES: u64 = 8 << 20;
/// Between two words about progress, milliseconds.
const TELL_MS: f64 = 100.0;

/// How far it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    pub lines: u64,
    pub bytes: u64,
    pub elapsed_ms: u64,
}

pub enum Broken {
    Stopped,
    /// In a sentence.
    Failed(String),
}

/// What can be stopped.
pub struct Running(AbortController);

impl Running {
    pub fn new() -> Option<Self> {
        AbortController::new().ok().map(Self)
    }

    pub fn stop(&self) {
        self.0.abort();
    }

    fn is_stopped(&self) -> bool {
        self.0.signal().aborted()
    }
}

/// Loads `address` into a file that is called `name` where nobody chooses another name. Nothing is left of it where it fails.
pub async fn export(running: &Running, address: &str, name: &str, tell: &dyn Fn(Taken)) -> Result<(), Broken> {
    // Asked for first: a browser shows its dialogue only right after a click.
    let mut sink = Sink::open(name).await?;
    let went = load(running, address, name, &mut sink, tell).await;
    let went = match went {
        Ok(()) => sink.finish(name).await.map_err(|error| failed("The file could not be written", &error)),
        Err(error) => {
            sink.discard().await;
            Err(error)
        }
    };
    went.map_err(|error| if running.is_stopped() { Broken::Stopped } else { error })
}

async fn load(running: &Running, address: &str, name: &str, sink: &mut Sink, tell: &dyn Fn(Taken)) -> Result<(), Broken> {
    let began = js_sys::Date::now();
    let init = RequestInit::new();
    init.set_signal(Some(&running.0.signal()));
    let lost = |error: JsValue| failed("The connection to the console was lost", &error);
    let response: Response = JsFuture::from(window().fetch_with_str_and_init(address, &init)).await.map_err(lost)?.unchecked_into();
    if !response.ok() {
        return Err(Broken::Failed(refusal(&response).await));
    }
    let Some(body) = response.body() else { return Err(Broken::Failed("The console sent nothing.".to_owned())) };
    let reader: ReadableStreamDefaultReader = body.get_reader().unchecked_into();
    // The first line of a table is its head, that of an array its bracket.
    let heads = u64::from(name.ends_with(".csv") || name.ends_with(".json"));
    let (mut newlines, mut bytes, mut told) = (0, 0, began);
    let taken =
        |newlines: u64, bytes| Taken { lines: newlines.saturating_sub(heads), bytes, elapsed_ms: (js_sys::Date::now() - began) as u64 };
    loop {
        let read = JsFuture::from(reader.read()).await.map_err(lost)?;
        if Reflect::get(&read, &"done".into()).is_ok_and(|done| done.is_truthy()) {
            break;
        }
        let chunk: Uint8Array = Reflect::get(&read, &"value".into()).map_err(lost)?.unchecked_into();
        bytes += u64::from(chunk.length());
        newlines += chunk.to_vec().iter().filter(|byte| **byte == b'\n').count() as u64;
        sink.write(chunk).await.map_err(|error| failed("The file could not be written", &error))?;
        let now = js_sys::Date::now();
        if now - told > TELL_MS {
            told = now;
            tell(taken(newlines, bytes));
        }
    }
    tell(taken(newlines, bytes));
    Ok(())
}

fn failed(what: &str, error: &JsValue) -> Broken {
    let why = error.dyn_ref::<js_sys::Error>().map(|error| String::from(error.message())).unwrap_or_default();
    Broken::Failed(if why.is_empty() { [what, "."].concat() } else { [what, " (", &*why, ")."].concat() })
}

/// What the console said in place of lines.
async fn refusal(response: &Response) -> String {
    let text = match response.text() {
        Ok(text) => JsFuture::from(text).await.ok().and_then(|text| text.as_string()).unwrap_or_default(),
        Err(_) => String::new(),
    };
    match serde_json::from_str::<Problem>(&text) {
        Ok(problem) => problem.detail + ".",
        Err(_) => ["The console answered with status ", &*response.status().to_string(), "."].concat(),
    }
}

/// Where the bytes go.
enum Sink {
    /// A `FileSystemWritableFileStream`: the file appears when it is closed.
    File(JsValue),
    Blobs {
        blobs: Array,
        chunks: Array,
        held: u64,
    },
}

impl Sink {
    async fn open(name: &str) -> Result<Self, Broken> {
        let blobs = || Self::Blobs { blobs: Array::new(), chunks: Array::new(), held: 0 };
        let Some(pick) = Reflect::get(&window(), &"showSaveFilePicker".into()).ok().and_then(|pick| pick.dyn_into::<Function>().ok())
        else {
            return Ok(blobs());
        };
        let options = Object::new();
        // It fails only for a frozen object.
        let _ = Reflect::set(&options, &"suggestedName".into(), &name.into());
        let picked = match pick.call1(&window(), &options) {
            Ok(promise) => JsFuture::from(promise.unchecked_into::<Promise>()).await,
            Err(error) => Err(error),
        };
        let handle = match picked {
            Ok(handle) => handle,
            Err(error) => {
                // The person closed the dialogue; anything else means that there is none to be had here.
                let name = Reflect::get(&error, &"name".into()).ok().and_then(|name| name.as_string());
                return if name.as_deref() == Some("AbortError") { Err(Broken::Stopped) } else { Ok(blobs()) };
            }
        };
        match method(&handle, "createWritable", &JsValue::UNDEFINED).await {
            Ok(writable) => Ok(Self::File(writable)),
            Err(error) => Err(failed("The file cannot be written", &error)),
        }
    }

    async fn write(&mut self, chunk: Uint8Array) -> Result<(), JsValue> {
        match self {
            Self::File(writable) => method(writable, "write", &chunk).await.map(drop),
            Self::Blobs { blobs, chunks, held } => {
                *held += u64::from(chunk.length());
                chunks.push(&chunk);
                if *held >= HELD_BYTES {
                    blobs.push(&Blob::new_with_u8_array_sequence(chunks)?.into());
                    *chunks = Array::new();
                    *held = 0;
                }
                Ok(())
            }
        }
    }

    async fn finish(self, name: &str) -> Result<(), JsValue> {
        match self {
            Self::File(writable) => method(&writable, "close", &JsValue::UNDEFINED).await.map(drop),
            Self::Blobs { blobs, chunks, .. } => {
                blobs.push(&Blob::new_with_u8_array_sequence(&chunks)?.into());
                let address = Url::create_object_url_with_blob(&Blob::new_with_blob_sequence(&blobs)?)?;
                let link: HtmlAnchorElement = document().create_element("a")?.unchecked_into();
                link.set_href(&address);
                link.set_download(name);
                link.click();
                // A minute is enough for any browser to have begun its download; without the address it lets go of the blobs.
                let forget = move || drop(Url::revoke_object_url(&address));
                leptos::prelude::set_timeout(forget, std::time::Duration::from_secs(60));
                Ok(())
            }
        }
    }

    async fn discard(self) {
        if let Self::File(writable) = self {
            // What was written lies in a temporary file, which goes with it.
            drop(method(&writable, "abort", &JsValue::UNDEFINED).await);
        }
    }
}

/// Calls a method that answers with a promise.
async fn method(object: &JsValue, name: &str, argument: &JsValue) -> Result<JsValue, JsValue> {
    let function: Function = Reflect::get(object, &name.into())?.dyn_into()?;
    JsFuture::from(function.call1(object, argument)?.unchecked_into::<Promise>()).await
}
