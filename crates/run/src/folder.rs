//! Opening, locking and resuming a run; beginning and finishing a stage.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File, TryLockError};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use epr_model::Stage;
use serde::{Deserialize, Serialize};

use crate::manifest::{FileEntry, Manifest};
use crate::whole_file::{self, Access};
use crate::{RunError, Sha256Hex};

/// `run.json`: who, when, which versions. Wall time stands here only and takes part in no hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunInfo {
    pub schema: u32,
    /// Covers project, source specs, plans, packages and binary; not `--threads` and its like.
    pub run_hash: Sha256Hex,
    pub epr_version: String,
    pub project: String,
    pub trial: Option<String>,
    /// "Now" for every rule (RFC 3339).
    pub as_of: String,
    /// Who started it, as the operating system names them.
    pub started_by: String,
    pub started_at: String,
    /// SHA-256 of binary, project, source specs, mappings and packages, by these names.
    pub hashes: BTreeMap<String, Sha256Hex>,
    /// Begin and end of each finished stage (RFC 3339).
    #[serde(default)]
    pub stages: BTreeMap<String, StageTimes>,
}

/// When a stage began and ended (RFC 3339).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StageTimes {
    pub began_at: String,
    pub ended_at: String,
}

/// What to do with a signature that a re-run would make untrue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OldSignature {
    Keep,
    Discard,
}

/// A run folder, held by this process alone until it is dropped.
#[derive(Debug)]
pub struct RunFolder {
    root: PathBuf,
    /// The lock lives as long as the open file.
    _lock: File,
}

impl RunFolder {
    /// Makes a new run folder, or takes an empty one that is there already.
    pub fn create(root: &Path, info: &RunInfo) -> Result<Self, RunError> {
        fs::create_dir_all(root).map_err(RunError::io("create", root))?;
        let folder = Self { root: root.to_owned(), _lock: lock(root)? };
        folder.write_info(info)?;
        Ok(folder)
    }

    /// Opens a run folder that [`RunFolder::create`] made.
    pub fn open(root: &Path) -> Result<Self, RunError> {
        let info = root.join("run.json");
        if !info.is_file() {
            return Err(RunError::Malformed { path: root.to_owned(), reason: "it has no run.json".to_owned() });
        }
        Ok(Self { root: root.to_owned(), _lock: lock(root)? })
    }

    /// Whether `root` holds a run at all; looks without locking.
    pub fn exists(root: &Path) -> bool {
        root.join("run.json").is_file()
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    pub fn info(&self) -> Result<RunInfo, RunError> {
        read_json(&self.root.join("run.json"))
    }

    pub fn write_info(&self, info: &RunInfo) -> Result<(), RunError> {
        whole_file::write(&self.root.join("run.json"), &to_json(info), Access::Group)
    }

    /// The finished stage, or `None`. Load has one finished folder a target: see [`RunFolder::finished_load`].
    pub fn finished(&self, stage: Stage) -> Result<Option<FinishedStage>, RunError> {
        FinishedStage::open(self.root.join(stage.folder()))
    }

    pub fn finished_load(&self, target: &str) -> Result<Option<FinishedStage>, RunError> {
        FinishedStage::open(self.root.join(Stage::Load.folder()).join(target))
    }

    /// The finished stage with every file hashed again, for a stage that is about to read it.
    ///
    /// [`RunError::StageMissing`] where it is not finished, [`RunError::Altered`] where a file is not as it was.
    pub fn input(&self, stage: Stage) -> Result<FinishedStage, RunError> {
        let finished = self
            .finished(stage)?
            .ok_or_else(|| RunError::StageMissing { path: self.root.clone(), stage: stage.as_str() })?;
        finished.verify()?;
        Ok(finished)
    }

    /// Begins a stage anew: what an earlier try left, and the folders of the later stages, are deleted.
    ///
    /// [`RunError::Signed`] where that would void a signature that is to be kept.
    pub fn begin(&self, stage: Stage, old_signature: OldSignature) -> Result<StageFolder, RunError> {
        self.delete_from(stage, old_signature)?;
        StageFolder::create(stage, self.root.join(stage.folder()))
    }

    /// Begins the load to one target; other targets' folders stay.
    pub fn begin_load(&self, target: &str) -> Result<StageFolder, RunError> {
        remove_folder(&self.root.join(Stage::ReportAfterLoad.folder()))?;
        let parent = self.root.join(Stage::Load.folder());
        fs::create_dir_all(&parent).map_err(RunError::io("create", &parent))?;
        let place = parent.join(target);
        remove_folder(&place)?;
        StageFolder::create(Stage::Load, place)
    }

    /// Writes down that a load to a live target is about to send: from now on no stage before it is done again.
    pub fn mark_live_load(&self, target: &str) -> Result<(), RunError> {
        let path = self.live_mark(target);
        if path.exists() { Ok(()) } else { whole_file::write(&path, b"", Access::Group) }
    }

    fn live_mark(&self, target: &str) -> PathBuf {
        self.root.join(format!("live-load-{target}"))
    }

    /// The target whose live load began, where there is one.
    fn live_load(&self) -> Result<Option<String>, RunError> {
        for entry in fs::read_dir(&self.root).map_err(RunError::io("list", &self.root))? {
            let name = entry.map_err(RunError::io("list", &self.root))?.file_name();
            if let Some(target) = name.to_str().and_then(|name| name.strip_prefix("live-load-")) {
                return Ok(Some(target.to_owned()));
            }
        }
        Ok(None)
    }

    fn delete_from(&self, stage: Stage, old_signature: OldSignature) -> Result<(), RunError> {
        if stage <= Stage::Report
            && let Some(target) = self.live_load()?
        {
            return Err(RunError::LiveLoadBegan { path: self.root.clone(), target });
        }
        let signature = self.root.join(Stage::Report.folder()).join("signature.json");
        if stage <= Stage::Report && old_signature == OldSignature::Keep && signature.exists() {
            return Err(RunError::Signed { path: self.root.clone() });
        }
        for later in Stage::ALL.into_iter().rev().filter(|s| *s >= stage) {
            remove_folder(&self.root.join(later.folder()))?;
        }
        Ok(())
    }
}

/// A stage at work: a hidden folder that becomes `<stage>` when it is finished.
#[derive(Debug)]
pub struct StageFolder {
    stage: Stage,
    place: PathBuf,
    partial: PathBuf,
}

impl StageFolder {
    fn create(stage: Stage, place: PathBuf) -> Result<Self, RunError> {
        let name = place.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let partial = place.with_file_name(format!(".{name}.partial"));
        remove_folder(&partial)?;
        DirBuilder::new().mode(0o700).create(&partial).map_err(RunError::io("create", &partial))?;
        Ok(Self { stage, place, partial })
    }

    pub fn stage(&self) -> Stage {
        self.stage
    }

    /// Where to write; files get their final names inside it at once.
    pub fn path(&self) -> &Path {
        &self.partial
    }

    /// A path below [`StageFolder::path`] whose parent folders are there.
    pub fn file(&self, relative: &str) -> Result<PathBuf, RunError> {
        let path = self.partial.join(relative);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(RunError::io("create", parent))?;
        }
        Ok(path)
    }

    /// Checks the ledgers, hashes every file, writes the manifest and renames the folder into place.
    ///
    /// `manifest.files` is filled here. [`RunError::Unbalanced`] where a ledger does not balance: the partial
    /// folder then stays, for whoever has to find out why.
    pub fn finish(self, mut manifest: Manifest) -> Result<FinishedStage, RunError> {
        manifest.ledgers.check()?;
        manifest.files = list_files(&self.partial)?;
        let path = self.partial.join("manifest.json");
        whole_file::write(&path, &to_json(&manifest), Access::Group)?;
        fs::rename(&self.partial, &self.place).map_err(RunError::io("rename into place", &self.place))?;
        if let Some(parent) = self.place.parent() {
            // The rename itself must outlive a power cut.
            File::open(parent).and_then(|f| f.sync_all()).map_err(RunError::io("flush to disk", parent))?;
        }
        Ok(FinishedStage { path: self.place, manifest })
    }
}

/// A stage that is whole: its folder and what its manifest says.
#[derive(Debug, Clone)]
pub struct FinishedStage {
    path: PathBuf,
    manifest: Manifest,
}

impl FinishedStage {
    fn open(path: PathBuf) -> Result<Option<Self>, RunError> {
        let manifest = path.join("manifest.json");
        if !manifest.is_file() {
            return Ok(None);
        }
        Ok(Some(Self { manifest: read_json(&manifest)?, path }))
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The hash of `manifest.json` itself: what a later stage names as its input.
    pub fn manifest_hash(&self) -> Result<Sha256Hex, RunError> {
        Ok(Sha256Hex::of_file(&self.path.join("manifest.json"))?.0)
    }

    /// Hashes every file again and compares with the manifest.
    pub fn verify(&self) -> Result<(), RunError> {
        self.manifest.files.iter().try_for_each(|entry| self.verify_entry(entry))
    }

    /// As [`FinishedStage::verify`] for one file, by its path below the stage's folder, for a stage that reads
    /// nothing else of this one. A file that the stage never wrote is no fault.
    pub fn verify_file(&self, relative: &str) -> Result<(), RunError> {
        self.manifest.files.iter().filter(|e| e.path == relative).try_for_each(|entry| self.verify_entry(entry))
    }

    fn verify_entry(&self, entry: &FileEntry) -> Result<(), RunError> {
        let path = self.path.join(&entry.path);
        if !path.is_file() {
            return Err(RunError::Altered { path, what: "it is no longer there".to_owned() });
        }
        let (sha256, bytes) = Sha256Hex::of_file(&path)?;
        if bytes != entry.bytes || sha256 != entry.sha256 {
            return Err(RunError::Altered { path, what: "its hash is not the manifest's".to_owned() });
        }
        Ok(())
    }
}

fn lock(root: &Path) -> Result<File, RunError> {
    let path = root.join("lock");
    let file = whole_file::create(&path, Access::Group)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(RunError::Locked { path: root.to_owned() }),
        Err(TryLockError::Error(source)) => Err(RunError::Io { action: "lock", path, source }),
    }
}

/// All files below `root` but the manifest, sorted by path.
fn list_files(root: &Path) -> Result<Vec<FileEntry>, RunError> {
    let mut entries = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).map_err(RunError::io("list", &folder))? {
            let path = entry.map_err(RunError::io("list", &folder))?.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let relative = path.strip_prefix(root).expect("listed below root").to_string_lossy().into_owned();
            let (sha256, bytes) = Sha256Hex::of_file(&path)?;
            entries.push(FileEntry { path: relative, bytes, sha256 });
        }
    }
    entries.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(entries)
}

fn remove_folder(path: &Path) -> Result<(), RunError> {
    match fs::remove_dir_all(path) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
            Err(RunError::Io { action: "delete", path: path.to_owned(), source })
        }
        _ => Ok(()),
    }
}

fn to_json<T: Serialize>(value: &T) -> Vec<u8> {
    let mut bytes = serde_json::to_vec_pretty(value).expect("a run's own types have text keys only");
    bytes.push(b'\n');
    bytes
}

fn read_json<T: for<'a> Deserialize<'a>>(path: &Path) -> Result<T, RunError> {
    let bytes = fs::read(path).map_err(RunError::io("read", path))?;
    serde_json::from_slice(&bytes).map_err(|e| RunError::Malformed { path: path.to_owned(), reason: e.to_string() })
}
