//! What may be typed: the command line as a type. The texts here are the manual.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Moves what NHS organisations hold in legacy systems into one electronic patient record, and proves that nothing was lost.
#[derive(Debug, Parser)]
#[command(name = "epr", version, max_term_width = 100, propagate_version = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,

    #[command(flatten)]
    pub(crate) common: Common,
}

/// Flags that every command takes.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Common flags")]
pub(crate) struct Common {
    /// The project file; paths in it count from its folder.
    #[arg(long, global = true, default_value = "epr.toml", value_name = "FILE")]
    pub(crate) project: PathBuf,

    /// Sets a project key, over the environment (EPR_SOURCE__RK9_IPM__DATABASE) and the file. May be given often.
    #[arg(long, global = true, value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,

    /// The run folder itself; without it runs/<UTC time>-<4 hex> beside the project file.
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) run_dir: Option<PathBuf>,

    /// Threads to use; the result is the same for any number.
    #[arg(long, global = true, value_name = "N")]
    pub(crate) threads: Option<usize>,

    /// How results are printed on stdout; a command says which of these it offers.
    #[arg(long, global = true, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,

    /// The mildest issue that makes the exit code 1.
    #[arg(long, global = true, value_enum, default_value_t = FailOn::Error, value_name = "LEVEL")]
    pub(crate) fail_on: FailOn,

    /// No progress on stderr.
    #[arg(long, global = true)]
    pub(crate) no_progress: bool,

    /// Less on stderr: errors only.
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,

    /// More on stderr: each cause of an error on its own line; after each stage its issues, each with its first place.
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Text,
    Json,
    Ndjson,
    Csv,
    Sarif,
    Junit,
}

impl Format {
    /// As it is typed.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Json => "json",
            Self::Ndjson => "ndjson",
            Self::Csv => "csv",
            Self::Sarif => "sarif",
            Self::Junit => "junit",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum FailOn {
    Error,
    Warning,
    Never,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// The whole way: extract, map, link, validate, report, load (not to a live target), report.
    Run(RunArgs),
    /// Reads the sources into staged tables.
    Extract(ExtractArgs),
    /// Proves project, source specs, mappings and code maps before any data moves.
    Check(CheckArgs),
    /// Runs the tests inside the mapping files.
    Test(TestArgs),
    /// Turns staged tables into FHIR R4 resources.
    Map(MapArgs),
    /// Makes one person one Patient.
    Link(StageArgs),
    /// Judges a run's resources, or anybody's FHIR files.
    Validate(ValidateArgs),
    /// Writes the report for the clinical safety officer.
    Report(StageArgs),
    /// Signs the report of a run, accepting or refusing the load.
    Sign(SignArgs),
    /// Sends what the run delivers to a target.
    Load(LoadArgs),
    /// Explains an issue code, or a resource back to its source cells: `Patient/<id>`.
    Explain(ExplainArgs),
    /// What differs between two versions of the mappings, or between two runs.
    Diff(DiffArgs),
    /// FHIR packages in ~/.fhir/packages.
    Packages(PackagesArgs),
    /// What this machine has and lacks, and the command that mends it.
    Doctor,
    /// Writes a project that runs, into an empty folder.
    Init(InitArgs),
}

#[derive(Debug, Clone, Args)]
pub(crate) struct RunArgs {
    /// Stop when more rows than this are refused: a number, or a percentage of the rows in scope.
    #[arg(long, value_name = "N|N%")]
    pub(crate) max_refused: Option<String>,

    /// The target to load; without it every target that is not live.
    #[arg(long, value_name = "NAME")]
    pub(crate) target: Option<String>,

    #[command(flatten)]
    pub(crate) verdicts: VerdictArgs,

    /// Begin again although the run was signed.
    #[arg(long)]
    pub(crate) discard_signature: bool,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct VerdictArgs {
    /// Use verdicts of earlier calls again, and keep those that are worked out: auto is for a run of 10,000 resources and more.
    #[arg(long, value_enum, value_name = "WHEN", default_value_t)]
    pub(crate) reuse: Reuse,
}

/// When verdicts of earlier calls are used again. What is found is the same either way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Reuse {
    #[default]
    Auto,
    Always,
    Never,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct StageArgs {
    /// Do the stage again although the run was signed.
    #[arg(long)]
    pub(crate) discard_signature: bool,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct ExtractArgs {
    /// Only write the schema files beside the source specs; reads no row.
    #[arg(long)]
    pub(crate) schema: bool,

    #[command(flatten)]
    pub(crate) stage: StageArgs,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct CheckArgs {
    /// Also: every column read or ignored with a reason, hazards named where rows are refused.
    #[arg(long)]
    pub(crate) strict: bool,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct TestArgs {
    /// Only maps whose name contains this.
    pub(crate) filter: Option<String>,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct MapArgs {
    /// Stop when more rows than this are refused: a number, or a percentage of the rows in scope.
    #[arg(long, value_name = "N|N%")]
    pub(crate) max_refused: Option<String>,

    #[command(flatten)]
    pub(crate) stage: StageArgs,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct ValidateArgs {
    /// FHIR files (.json, .xml, .ndjson, each also .gz and .zst), folders, or - for NDJSON on stdin. None: the run.
    pub(crate) paths: Vec<PathBuf>,

    /// A package to load beside R4: NAME@VERSION, a .tgz, a folder or a definition file.
    #[arg(long, value_name = "NAME@VERSION|PATH")]
    pub(crate) package: Vec<String>,

    /// Judge every resource of the profile's type against this profile too.
    #[arg(long, value_name = "URL")]
    pub(crate) profile: Vec<String>,

    /// All codes of a code system, from a CSV file (code,display,inactive) or SNOMED CT's RF2 snapshot files; again for more.
    #[arg(long, value_name = "SYSTEM=PATH")]
    pub(crate) codes: Vec<String>,

    /// Some codes of a code system, likewise; a code that is not among them is not checked.
    #[arg(long, value_name = "SYSTEM=PATH")]
    pub(crate) codes_part: Vec<String>,

    /// What could not be checked counts as an error.
    #[arg(long)]
    pub(crate) strict_terminology: bool,

    #[command(flatten)]
    pub(crate) verdicts: VerdictArgs,

    #[command(flatten)]
    pub(crate) stage: StageArgs,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct SignArgs {
    /// Who signs.
    #[arg(long, value_name = "NAME")]
    pub(crate) by: String,

    /// In which role: CSO, SRO, IG …
    #[arg(long)]
    pub(crate) role: String,

    #[arg(long, value_enum)]
    pub(crate) decision: Decision,

    /// Findings that are accepted all the same (CSV: rule, patients, reason, name, expires_on).
    #[arg(long, value_name = "FILE")]
    pub(crate) waivers: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Decision {
    Accept,
    Refuse,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct LoadArgs {
    /// The target's name in the project file; without it every target that is not live.
    #[arg(long, value_name = "NAME")]
    pub(crate) target: Option<String>,

    /// Say what would be sent, and send nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,

    /// Read everything back from a FHIR server and compare it with what was delivered; sends nothing.
    #[arg(long, conflicts_with = "dry_run")]
    pub(crate) verify: bool,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct ExplainArgs {
    /// An issue code (MAP0410, ID-03), or a resource of the run (Patient/<id>).
    pub(crate) what: String,

    /// Show the values of the source cells. They are patient data: mind who looks on.
    #[arg(long)]
    pub(crate) show_values: bool,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct DiffArgs {
    /// The earlier one: a pack (rk9/ipm), a mappings folder, or a run folder.
    pub(crate) before: String,

    /// The later one, of the same kind.
    pub(crate) after: String,

    /// Counts only: changed leaves of each map and in all; of runs, resources by type.
    #[arg(long)]
    pub(crate) stat: bool,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct PackagesArgs {
    #[command(subcommand)]
    pub(crate) command: PackagesCommand,
}

#[derive(Debug, Clone, Subcommand)]
pub(crate) enum PackagesCommand {
    /// Fetches packages, checks their hashes and unpacks them; without names those of the project, or R4 itself.
    Install {
        /// NAME@VERSION
        packages: Vec<String>,
        /// A registry to ask before the others; may be given often.
        #[arg(long, value_name = "URL")]
        registry: Vec<String>,
    },
    /// What is installed, with its hash.
    List,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct InitArgs {
    /// The folder; made when it is not there.
    #[arg(default_value = ".")]
    pub(crate) folder: PathBuf,
}
