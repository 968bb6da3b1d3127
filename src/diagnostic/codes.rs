//! The registry of codes. A code never changes its meaning; a test holds every code to at least one example.
//!
//! Beside its code each has a name in words, which is that of its variant: `BiasBeforeNorm` is `bias-before-norm`.
//!
//! `E01` text and files · `E02` shapes · `E03` names and arguments · `E04` checks · `E05` recipes · `E06` data ·
//! `E07` weights and runs · `N00` lints of the text · `N01` and `N02` of the layers · `N03` to `N05` of the recipe.

use super::{Level, suggest};

macro_rules! codes {
    ($($variant:ident = $code:literal $level:ident $summary:literal;)*) => {
        /// A stable name for one kind of message.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Code {
            $(#[doc = concat!($code, ": ", $summary)] $variant,)*
        }

        impl Code {
            /// Every code, in order.
            pub const ALL: &'static [Code] = &[$(Code::$variant,)*];

            /// The name that is printed.
            pub fn name(self) -> &'static str {
                match self { $(Code::$variant => $code,)* }
            }

            fn variant(self) -> &'static str {
                match self { $(Code::$variant => stringify!($variant),)* }
            }

            /// Error or warning.
            pub fn level(self) -> Level {
                match self { $(Code::$variant => Level::$level,)* }
            }

            /// One line on what it is about.
            pub fn summary(self) -> &'static str {
                match self { $(Code::$variant => $summary,)* }
            }
        }
    };
}

codes! {
    Syntax = "E0101" Error "the text is not in netc's language";
    FileNotRead = "E0102" Error "a file cannot be read";
    NestedTooDeeply = "E0103" Error "brackets are nested too deeply";
    UseCycle = "E0104" Error "files use each other in a circle";
    BadNumber = "E0105" Error "a number is too large or malformed";

    InputKind = "E0201" Error "a layer gets a vector where it needs a map, or the reverse";
    WindowTooLarge = "E0202" Error "a window is larger than its padded input";
    InputsDiffer = "E0203" Error "inputs that must agree have different shapes";
    Indivisible = "E0204" Error "channels do not divide into groups";
    TooLarge = "E0205" Error "a tensor is too large to exist";
    PadTooLarge = "E0206" Error "a pool's padding is as large as its window";
    ChannelsTakenAway = "E0207" Error "`pad_channels` would have to take channels away";

    UnknownName = "E0301" Error "a name that nothing defines";
    UnknownLayer = "E0302" Error "there is no such layer or block";
    UnknownAttribute = "E0303" Error "a layer or block has no such attribute";
    MissingArgument = "E0304" Error "a required argument is missing";
    TooManyArguments = "E0305" Error "more arguments than there are places";
    TypeMismatch = "E0306" Error "a value of the wrong type";
    OutOfRange = "E0307" Error "a value outside what is allowed";
    DefinedTwice = "E0308" Error "the same name is defined twice";
    Recursion = "E0309" Error "blocks call each other without end";
    TooManyLayers = "E0310" Error "the network unrolls to too many layers";
    NoInput = "E0311" Error "the net has no input, or it is not where it must be";
    NoNet = "E0312" Error "a spec needs exactly one net";
    ForeignWord = "E0313" Error "a word of another framework";
    DivisionByZero = "E0314" Error "arithmetic without a result";
    NoSuchLint = "E0315" Error "an `allow`, `warn` or `deny` names no lint";
    NoReason = "E0316" Error "an `allow` gives no reason";

    FixedPadding = "E0401" Error "padding at a stride above 1 must be explicit and symmetric";
    BiasBeforeNorm = "E0402" Error "a bias right before batch norm does nothing";
    ClassCount = "E0403" Error "the last layer does not fit the data set's classes";
    InputAgainstData = "E0404" Error "the input does not fit the data set's images";
    ExpectationFailed = "E0405" Error "an `expect` does not hold";
    UnusedValue = "E0406" Error "nothing reads the output of a layer";
    NoParameters = "E0407" Error "the net has nothing to train";

    RecipeSyntax = "E0501" Error "a recipe is not valid YAML, or a key or value in it is not known";
    RecipeValue = "E0502" Error "a value in a recipe makes no sense";
    RecipeSet = "E0503" Error "a `--set` cannot be applied";

    DataNotFound = "E0601" Error "a data set was not found";
    DataMalformed = "E0602" Error "a data file is truncated, too long or holds an impossible value";

    WeightsUnreadable = "E0701" Error "a weights file cannot be read";
    WeightsMismatch = "E0702" Error "a weights file does not fit the network";
    OutputFailed = "E0703" Error "a result cannot be written";
    DeviceUnavailable = "E0704" Error "the device is not available";
    RunFailed = "E0705" Error "a run failed";
    LossNotFinite = "E0706" Error "the loss is no longer a number";
    CheckpointMismatch = "E0707" Error "a checkpoint is of another run";
    RecordUnreadable = "E0708" Error "the record of a run cannot be read";
    RerunDiffers = "E0709" Error "a run that was made again came to other weights";
    NotLearnt = "E0710" Error "a network cannot learn a few images by heart";

    UnusedBlock = "N001" Warning "a block is never called";
    UnusedParameter = "N002" Warning "a parameter is never read";
    UnfulfilledAllow = "N003" Warning "an `allow` has nothing to allow";

    RepeatedActivation = "N010" Warning "an activation stands right behind another";
    MisalignedPaths = "N011" Warning "paths that meet look at different pixels";
    LopsidedSame = "N012" Warning "`pad same` on an even window moves the map by half a pixel";
    PoolRounding = "N013" Warning "the size that a pool gives hangs on a rounding that the spec does not name";
    MissingActivation = "N014" Warning "a convolution reads a residual sum with no activation between";
    DoubledActivation = "N015" Warning "an activation stands before a residual sum and another behind it";
    LinearInARow = "N016" Warning "two linear layers have nothing nonlinear between them";
    LayerOnLogits = "N017" Warning "a layer stands between the last `linear` and the loss";
    DropoutBeforeNorm = "N018" Warning "batch norm comes behind dropout";
    UnreadPixels = "N019" Warning "windows step over pixels that none of them reads";
    WindowInPadding = "N020" Warning "windows lie wholly in the padding";

    NoSchedule = "N030" Warning "the learning rate never changes";
    ScheduleBeyondEnd = "N031" Warning "the learning rate changes after the end of the run";
    EpochsOfAnotherSplit = "N032" Warning "epochs that belong to another number of training images";
    NormDecayConvention = "N033" Warning "a batch norm's decay looks like the weight of the new batch";
    DecayOnNorms = "N034" Warning "weight decay pulls on batch norm, and nobody said so";
    BatchWithoutRate = "N035" Warning "the batch was changed and the learning rate was not";
    ForeignStatistics = "N036" Warning "mean or deviation of another data set";
    MirroredDigits = "N037" Warning "digits are mirrored";
    InitAgainstActivation = "N038" Warning "weights start where the activations cannot use them";
    RawPixels = "N039" Warning "the network sees pixels as they are";
    RateTooLarge = "N040" Warning "the learning rate is too large for the optimizer";
    DecayInAdam = "N041" Warning "weight decay passes through Adam's scaling";
    DecaySize = "N042" Warning "a decay coefficient of the other form";
    SmallBatchNorm = "N043" Warning "batch norm over very few images";
    LastImageAlone = "N044" Warning "the last batch of an epoch is a single image";
    FewPopulationImages = "N045" Warning "the population is taken over too few images";
    BatchAboveData = "N046" Warning "a batch is larger than the training set";
    CheckpointAfterEnd = "N047" Warning "the first checkpoint is due after the end of the run";
    GroupAboveBatch = "N048" Warning "a group of batch norm has all images of a batch";
}

impl Code {
    /// The name in words, such as `bias-before-norm`.
    pub fn slug(self) -> String {
        let mut slug = String::new();
        for letter in self.variant().chars() {
            if letter.is_ascii_uppercase() && !slug.is_empty() {
                slug.push('-');
            }
            slug.push(letter.to_ascii_lowercase());
        }
        slug
    }

    /// The code that `text` names, by code or in words, in capitals or not.
    pub fn find(text: &str) -> Option<Code> {
        let named = |code: &&Code| code.name().eq_ignore_ascii_case(text) || code.slug().eq_ignore_ascii_case(text);
        Code::ALL.iter().find(named).copied()
    }

    /// The one among `codes` that `text` most likely means, as the user would have written it.
    pub fn nearest(text: &str, codes: impl Iterator<Item = Code>) -> Option<String> {
        let names: Vec<String> = codes.flat_map(|code| [code.name().to_string(), code.slug()]).collect();
        suggest::nearest(text, names.iter().map(String::as_str)).map(str::to_string)
    }

    /// The lint that a word names.
    ///
    /// # Errors
    /// Why it names none, with a way out.
    pub fn lint(text: &str) -> Result<Code, (String, Option<String>)> {
        let lints = || Code::ALL.iter().copied().filter(|code| code.is_lint());
        match Code::find(text) {
            Some(code) if code.is_lint() => Ok(code),
            Some(code) => Err((format!("{code} is an error, and errors cannot be allowed"), None)),
            None => Err((format!("there is no lint `{text}`"), Code::nearest(text, lints()))),
        }
    }

    /// Whether it is a lint: a doubt, of which spec and command line may say how bad it is.
    pub fn is_lint(self) -> bool {
        self.level() == Level::Warning
    }
}

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn codes_are_found_by_either_name() {
        assert_eq!(Code::BiasBeforeNorm.slug(), "bias-before-norm");
        for text in ["E0402", "e0402", "bias-before-norm", "Bias-Before-Norm"] {
            assert_eq!(Code::find(text), Some(Code::BiasBeforeNorm), "{text}");
        }
        assert_eq!(Code::find("E9999"), None);
        let lints = || Code::ALL.iter().copied().filter(|code| code.is_lint());
        assert_eq!(Code::nearest("unusd-block", lints()).as_deref(), Some("unused-block"));
        let slugs: HashSet<_> = Code::ALL.iter().map(|code| code.slug()).collect();
        assert_eq!(slugs.len(), Code::ALL.len());
    }

    #[test]
    fn names_are_unique_and_tell_the_level() {
        let names: HashSet<_> = Code::ALL.iter().map(|code| code.name()).collect();
        assert_eq!(names.len(), Code::ALL.len());
        for code in Code::ALL {
            let first = if code.level() == Level::Error { 'E' } else { 'N' };
            assert!(code.name().starts_with(first), "{code}");
        }
    }
}
