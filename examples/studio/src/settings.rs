//! What can be set: by flags, by environment variables and by a file, in this order of precedence.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, ValueEnum};
use serde::Deserialize;

/// Why settings cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// The file cannot be read.
    #[error("{}: the configuration file cannot be read: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The operating system's error.
        source: std::io::Error,
    },
    /// The file is not TOML, or has a key that is not known.
    #[error("{}: the configuration file is not understood: {source}", path.display())]
    Toml {
        /// The file.
        path: PathBuf,
        /// What is wrong and where.
        source: Box<toml::de::Error>,
    },
    /// A writer is not given as `NAME` or `NAME=MODEL`.
    #[error("writer {found:?}: expected NAME=MODEL, the name of letters, digits, `-`, `_` and `.`")]
    Writer {
        /// What was given.
        found: String,
    },
}

/// How logs are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Everything that can be set. What is absent is taken from the environment, from the file, or
/// has the default that is written here.
///
/// In the file the names are those of the flags with `_` for `-`: `max_pages = 500`.
#[derive(Debug, Clone, Default, Args, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// A TOML file with these settings.
    #[arg(long, env = "GLYPH_STUDIO_CONFIG", global = true, value_name = "FILE")]
    #[serde(skip)]
    pub config: Option<PathBuf>,
    /// Address to listen on. Anything but loopback should go with --api-keys [default: 127.0.0.1].
    #[arg(long, env = "GLYPH_STUDIO_HOST", global = true, value_name = "ADDRESS")]
    pub host: Option<IpAddr>,
    /// Port to listen on; 0 takes a free one [default: 8080].
    #[arg(long, env = "GLYPH_STUDIO_PORT", global = true)]
    pub port: Option<u16>,
    /// Folder of the queue's database and, without --store, of documents, results and features
    /// [default: glyph/studio in the user's data folder].
    #[arg(long, env = "GLYPH_STUDIO_DATA", global = true, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Where documents, results and encoded features are: a folder that all hosts share, or
    /// s3://BUCKET/PREFIX, with access from AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION
    /// and AWS_ENDPOINT_URL [default: the data folder].
    #[arg(long, env = "GLYPH_STUDIO_STORE", global = true, value_name = "URL")]
    pub store: Option<String>,
    /// The queue: sqlite://FILE, redis://HOST/DB or postgres://USER@HOST/DATABASE
    /// [default: studio.db in the data folder].
    #[arg(long, env = "GLYPH_STUDIO_QUEUE", global = true, value_name = "URL")]
    pub queue: Option<String>,
    /// Queued jobs that run at once in this process; 0 leaves them to others [default: 1].
    #[arg(long, env = "GLYPH_STUDIO_WORKERS", global = true)]
    pub workers: Option<usize>,
    /// Requests that run at once besides the queue; more wait [default: 2].
    #[arg(long, env = "GLYPH_STUDIO_RUNS", global = true)]
    pub runs: Option<usize>,
    /// Requests that may wait for their turn; more are refused with status 429 [default: 64].
    #[arg(long, env = "GLYPH_STUDIO_WAITING", global = true)]
    pub waiting: Option<usize>,
    /// Keys that clients have to send as `Authorization: Bearer KEY`, separated by commas
    /// [default: none, everybody may].
    #[arg(
        long,
        env = "GLYPH_STUDIO_API_KEYS",
        global = true,
        value_delimiter = ',',
        hide_env_values = true
    )]
    pub api_keys: Option<Vec<String>>,
    /// Names under which the server is reached besides localhost, when it listens on loopback
    /// without keys; others are refused, so that no web page can reach it by a name of its own.
    #[arg(
        long,
        env = "GLYPH_STUDIO_ALLOWED_HOSTS",
        global = true,
        value_delimiter = ','
    )]
    pub allowed_hosts: Option<Vec<String>>,
    /// Models that may write answers: NAME=MODEL, where MODEL is a GGUF file, a folder or an id
    /// that is on this machine. May be given several times.
    #[arg(
        long = "writer",
        env = "GLYPH_STUDIO_WRITERS",
        global = true,
        value_delimiter = ',',
        value_name = "NAME=MODEL"
    )]
    pub writers: Option<Vec<String>>,
    /// Device of the models: cpu, cuda, cuda:N or auto [default: auto].
    #[arg(long, env = "GLYPH_STUDIO_DEVICE", global = true)]
    pub device: Option<String>,
    /// Size of an upload in megabytes [default: 64].
    #[arg(
        long,
        env = "GLYPH_STUDIO_MAX_UPLOAD_MB",
        global = true,
        value_name = "MB"
    )]
    pub max_upload_mb: Option<u64>,
    /// Pages of a document [default: 2000].
    #[arg(long, env = "GLYPH_STUDIO_MAX_PAGES", global = true)]
    pub max_pages: Option<u32>,
    /// Pixels of one page image, in millions [default: 50].
    #[arg(long, env = "GLYPH_STUDIO_MAX_MEGAPIXELS", global = true)]
    pub max_megapixels: Option<u64>,
    /// Seconds that a run may take [default: 600].
    #[arg(long, env = "GLYPH_STUDIO_MAX_SECONDS", global = true)]
    pub max_seconds: Option<u64>,
    /// Seconds that opening an upload may take [default: 60].
    #[arg(long, env = "GLYPH_STUDIO_PARSE_SECONDS", global = true)]
    pub parse_seconds: Option<u64>,
    /// Memory that opening an upload may take, in megabytes [default: 2048].
    #[arg(long, env = "GLYPH_STUDIO_PARSE_MB", global = true, value_name = "MB")]
    pub parse_mb: Option<u64>,
    /// Requests a minute of one client; more are refused with status 429, 0 allows any number
    /// [default: 1200].
    #[arg(long, env = "GLYPH_STUDIO_REQUESTS_PER_MINUTE", global = true)]
    pub requests_per_minute: Option<u32>,
    /// Jobs that may be queued; more are refused with status 429 [default: 1000].
    #[arg(long, env = "GLYPH_STUDIO_MAX_QUEUED", global = true)]
    pub max_queued: Option<u64>,
    /// Times that a job is begun before it is dead: it failed, or its worker was lost [default: 5].
    #[arg(long, env = "GLYPH_STUDIO_MAX_ATTEMPTS", global = true)]
    pub max_attempts: Option<u32>,
    /// Seconds before a job that failed is tried again; doubled each time [default: 2].
    #[arg(long, env = "GLYPH_STUDIO_RETRY_SECONDS", global = true)]
    pub retry_seconds: Option<u64>,
    /// Seconds between two signs of life of a worker; after two that are missing its jobs go to
    /// others [default: 10].
    #[arg(long, env = "GLYPH_STUDIO_HEARTBEAT_SECONDS", global = true)]
    pub heartbeat_seconds: Option<u64>,
    /// Size of the cache of encoded features in megabytes, 0 keeps none [default: 1024].
    #[arg(long, env = "GLYPH_STUDIO_CACHE_MB", global = true, value_name = "MB")]
    pub cache_mb: Option<u64>,
    /// Days that documents are kept after they were uploaded the last time; jobs that wait for one
    /// fail then [default: until they are deleted].
    #[arg(
        long,
        env = "GLYPH_STUDIO_KEEP_DAYS",
        global = true,
        value_name = "DAYS"
    )]
    pub keep_days: Option<u64>,
    /// Seconds that running jobs have to finish when the server is told to stop; what is not done
    /// by then is queued again [default: 20].
    #[arg(long, env = "GLYPH_STUDIO_SHUTDOWN_SECONDS", global = true)]
    pub shutdown_seconds: Option<u64>,
    /// How logs are written [default: text].
    #[arg(long, env = "GLYPH_STUDIO_LOG_FORMAT", global = true, value_enum)]
    pub log_format: Option<LogFormat>,
    /// What is logged: error, warn, info, debug, or by module as in `info,glyph_studio=debug`
    /// [default: info].
    #[arg(long, env = "GLYPH_STUDIO_LOG", global = true, value_name = "FILTER")]
    pub log: Option<String>,
}

/// A model that may write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WriterSetting {
    /// What requests call it.
    pub id: String,
    /// File, folder or id.
    pub model: String,
}

/// All settings, with defaults in place.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Address to listen on.
    pub address: SocketAddr,
    /// Folder of the database and the cache.
    pub data: PathBuf,
    /// Where documents and results are: a URL or a folder.
    pub store: String,
    /// The folder of encoded features: in the store, where that is a folder that was named.
    pub features: PathBuf,
    /// The queue's URL.
    pub queue: String,
    /// Jobs that run at once.
    pub workers: usize,
    /// Requests that run at once.
    pub runs: usize,
    /// Requests that may wait.
    pub waiting: usize,
    /// Keys, none where everybody may.
    pub api_keys: Vec<String>,
    /// Names of this server besides localhost.
    pub allowed_hosts: Vec<String>,
    /// Models that may write.
    pub writers: Vec<WriterSetting>,
    /// Device of the models.
    pub device: String,
    /// Bytes of an upload.
    pub max_upload_bytes: u64,
    /// Pages of a document.
    pub max_pages: u32,
    /// Pixels of one page image.
    pub max_pixels: u64,
    /// Longest run.
    pub max_run: Duration,
    /// Longest opening of an upload.
    pub parse_time: Duration,
    /// Memory of opening an upload in bytes.
    pub parse_bytes: u64,
    /// Requests a minute of one client; 0 is any number.
    pub requests_per_minute: u32,
    /// Jobs that may be queued.
    pub max_queued: u64,
    /// Times that a job is begun.
    pub max_attempts: u32,
    /// Wait before the first retry.
    pub retry: Duration,
    /// Between two signs of life.
    pub heartbeat: Duration,
    /// Bytes of the feature cache.
    pub cache_bytes: u64,
    /// How long documents are kept, where not until they are deleted.
    pub keep: Option<Duration>,
    /// Time that running jobs have when the server stops.
    pub shutdown: Duration,
    /// How logs are written.
    pub log_format: LogFormat,
    /// What is logged.
    pub log: String,
}

macro_rules! or {
    ($a:expr, $b:expr; $($field:ident)*) => {
        Options { config: $a.config, $($field: $a.$field.or($b.$field),)* }
    };
}

impl Options {
    /// These options, and where one is absent that of `other`.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        or!(self, other; host port data store queue workers runs waiting api_keys allowed_hosts
            writers device max_upload_mb max_pages max_megapixels max_seconds parse_seconds parse_mb
            requests_per_minute max_queued max_attempts retry_seconds heartbeat_seconds cache_mb
            keep_days shutdown_seconds log_format log)
    }

    /// Reads a TOML file.
    ///
    /// # Errors
    /// If the file cannot be read, is not TOML, or has a key that is not known.
    pub fn from_file(path: &Path) -> Result<Self, SettingsError> {
        let text = std::fs::read_to_string(path).map_err(|source| SettingsError::Io {
            path: path.to_owned(),
            source,
        })?;
        toml::from_str(&text).map_err(|source| SettingsError::Toml {
            path: path.to_owned(),
            source: Box::new(source),
        })
    }

    /// Settings from these options, the file that they name, and the defaults.
    ///
    /// # Errors
    /// If the file or a value cannot be used.
    pub fn settings(self) -> Result<Settings, SettingsError> {
        let file = match &self.config {
            Some(path) => Self::from_file(path)?,
            None => Self::default(),
        };
        let o = self.or(file);
        let data = o.data.unwrap_or_else(default_data);
        let under = |name: &str| data.join(name).display().to_string();
        let seconds = |value: Option<u64>, default| Duration::from_secs(value.unwrap_or(default));
        let writers = (o.writers.unwrap_or_default().iter())
            .filter(|writer| !writer.trim().is_empty())
            .map(|writer| parse_writer(writer))
            .collect::<Result<_, _>>()?;
        let keys = o.api_keys.unwrap_or_default();
        // Hosts that share a store share what they encode. What is in S3 has a copy here.
        let shared = (o.store.as_deref()).map(|url| url.strip_prefix("file://").unwrap_or(url));
        let features = match shared {
            Some(folder) if !folder.contains("://") => Path::new(folder).join("features"),
            _ => data.join("features"),
        };
        Ok(Settings {
            address: SocketAddr::new(
                o.host.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST)),
                o.port.unwrap_or(8080),
            ),
            features,
            store: o.store.unwrap_or_else(|| under("store")),
            queue: o
                .queue
                .unwrap_or_else(|| format!("sqlite://{}", under("studio.db"))),
            workers: o.workers.unwrap_or(1),
            runs: o.runs.unwrap_or(2).max(1),
            waiting: o.waiting.unwrap_or(64),
            api_keys: keys.into_iter().filter(|key| !key.is_empty()).collect(),
            allowed_hosts: o.allowed_hosts.unwrap_or_default(),
            writers,
            device: o.device.unwrap_or_else(|| "auto".to_owned()),
            max_upload_bytes: o.max_upload_mb.unwrap_or(64) << 20,
            max_pages: o.max_pages.unwrap_or(2000),
            max_pixels: o.max_megapixels.unwrap_or(50) * 1_000_000,
            max_run: seconds(o.max_seconds, 600),
            parse_time: seconds(o.parse_seconds, 60),
            parse_bytes: o.parse_mb.unwrap_or(2048) << 20,
            requests_per_minute: o.requests_per_minute.unwrap_or(1200),
            max_queued: o.max_queued.unwrap_or(1000),
            max_attempts: o.max_attempts.unwrap_or(5).max(1),
            retry: seconds(o.retry_seconds, 2),
            heartbeat: seconds(o.heartbeat_seconds, 10).max(Duration::from_secs(1)),
            cache_bytes: o.cache_mb.unwrap_or(1024) << 20,
            keep: (o.keep_days).map(|days| Duration::from_secs(days.saturating_mul(86_400))),
            shutdown: seconds(o.shutdown_seconds, 20),
            log_format: o.log_format.unwrap_or_default(),
            log: o.log.unwrap_or_else(|| "info".to_owned()),
            data,
        })
    }
}

fn default_data() -> PathBuf {
    let home = std::env::var_os("XDG_DATA_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".local/share")));
    home.unwrap_or_else(std::env::temp_dir).join("glyph/studio")
}

fn parse_writer(text: &str) -> Result<WriterSetting, SettingsError> {
    let (id, model) = text.split_once('=').unwrap_or((text, text));
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if id.is_empty() || model.is_empty() || !id.chars().all(plain) {
        return Err(SettingsError::Writer {
            found: text.to_owned(),
        });
    }
    Ok(WriterSetting {
        id: id.to_owned(),
        model: model.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_come_before_the_file_and_the_file_before_defaults() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("studio.toml");
        std::fs::write(
            &path,
            "port = 9000\nmax_pages = 7\napi_keys = [\"a\", \"\"]\n",
        )
        .unwrap();
        let options = Options {
            config: Some(path.clone()),
            port: Some(9001),
            ..Options::default()
        };
        let settings = options.settings().unwrap();
        assert_eq!(settings.address.port(), 9001);
        assert_eq!((settings.max_pages, settings.workers), (7, 1));
        assert_eq!(settings.api_keys, ["a"]);
        assert!(settings.address.ip().is_loopback());
        std::fs::write(&path, "prot = 9000\n").unwrap();
        let error = Options::from_file(&path).unwrap_err().to_string();
        assert!(error.contains("prot"), "{error}");
    }

    #[test]
    fn writers_have_a_name_and_a_model() {
        let writer = parse_writer("small=models/a.gguf").unwrap();
        assert_eq!(
            (writer.id.as_str(), writer.model.as_str()),
            ("small", "models/a.gguf")
        );
        assert_eq!(parse_writer("smollm2-135m").unwrap().model, "smollm2-135m");
        for bad in ["", "=x", "a/b", "a b=c"] {
            assert!(parse_writer(bad).is_err(), "{bad}");
        }
    }
}
