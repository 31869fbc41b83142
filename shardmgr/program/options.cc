// Gathers option values from command line, environment and file, and checks them: see options.h.
#include "shardmgr/program/options.h"

#include <unistd.h>

#include <boost/program_options/errors.hpp>
#include <boost/program_options/options_description.hpp>
#include <boost/program_options/parsers.hpp>
#include <boost/program_options/positional_options.hpp>
#include <boost/program_options/value_semantic.hpp>
#include <fstream>
#include <iostream>
#include <sstream>
#include <stdexcept>

#include "policies/nearest.h"
#include "shardmgr/program/known_options.h"
#include "shardmgr/program/option_checks.h"

namespace po = boost::program_options;

namespace warren::program {
namespace {

constexpr const char* kArguments = "warren-arguments";  // Positional ones, inside po only.
constexpr std::string_view kPasswordHint =
    "a password never stands on a command line or in a configuration file: use --password-file FILE or WARREN_PASSWORD";

std::string LongName(const Option& option) { return option.name.substr(0, option.name.find(',')); }

std::string VariableName(std::string_view option) {
  std::string name = "WARREN_";
  for (const char c : option) name += c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return name;
}

std::string OptionName(std::string_view variable) {
  std::string name;
  for (const char c : variable.substr(7))
    name += c == '_' ? '-' : static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return name;
}

std::string_view Trimmed(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r";
  const auto first = text.find_first_not_of(kBlanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

/// "a, b c" as {"a","b","c"}.
std::vector<std::string> Split(std::string_view text) {
  std::vector<std::string> parts(1);
  for (const char c : text) {
    if (c == ',' || c == ' ' || c == '\t') {
      if (!parts.back().empty()) parts.emplace_back();
    } else {
      parts.back() += c;
    }
  }
  if (parts.back().empty()) parts.pop_back();
  return parts;
}

po::options_description Describe(const std::vector<Option>& options) {
  po::options_description description("Options", 100, 50);
  for (const Option& option : options) {
    std::string help = option.help;
    if (!option.choices.empty()) {
      help += help.empty() ? "" : " ";
      help += "One of ";
      for (std::size_t i = 0; i < option.choices.size(); ++i) help += (i ? ", " : "") + option.choices[i];
      help += ".";
    }
    if (option.repeatable) help += " May be repeated.";
    if (!option.default_value.empty()) help += " Default: " + option.default_value + ".";
    if (option.kind == OptionKind::kFlag) {
      description.add_options()(option.name.c_str(), help.c_str());
    } else {
      auto* value = po::value<std::string>()->value_name(option.placeholder.empty() ? "VALUE" : option.placeholder);
      description.add_options()(option.name.c_str(), value, help.c_str());
    }
  }
  return description;
}

std::string Unknown(std::string_view what, const std::string& nearest) {
  std::string text = "there is no " + std::string(what);
  if (!nearest.empty()) text += "; is " + nearest + " meant?";
  return text;
}

}  // namespace

OptionSet::OptionSet(std::string program, std::string usage, std::string summary)
    : program_(std::move(program)), usage_(std::move(usage)), summary_(std::move(summary)) {
  Add({.name = "config",
       .placeholder = "FILE",
       .help = "File of 'option = value' lines; options and environment win."});
  Add({.name = "help,h", .kind = OptionKind::kFlag, .help = "Print this and exit."});
  Add({.name = "version", .kind = OptionKind::kFlag, .help = "Print the version and exit."});
}

OptionSet& OptionSet::Add(Option option) {
  options_.push_back(std::move(option));
  return *this;
}

OptionSet& OptionSet::TakeArguments() {
  takes_arguments_ = true;
  return *this;
}

OptionSet& OptionSet::Listen(std::string default_address, std::string help) {
  return Add({.name = "listen",
              .kind = OptionKind::kAddress,
              .placeholder = "HOST:PORT",
              .default_value = std::move(default_address),
              .help = std::move(help)});
}

OptionSet& OptionSet::MetricsListen(std::string default_address) {
  return Add({.name = "metrics-listen",
              .kind = OptionKind::kAddress,
              .placeholder = "HOST:PORT",
              .default_value = std::move(default_address),
              .help = "Where /metrics, /healthz and /readyz are served; port 0 is any free one."});
}

OptionSet& OptionSet::Take(unsigned shared) {
  if (shared & kManagementOption) {
    Add({.name = "management",
         .kind = OptionKind::kHttpUrl,
         .placeholder = "URL",
         .default_value = "http://127.0.0.1:15672",
         .help = "Management API of a broker node.",
         .repeatable = true});
  }
  if (shared & kNodeOption) {
    Add({.name = "node",
         .kind = OptionKind::kEndpoint,
         .placeholder = "HOST:PORT",
         .default_value = "127.0.0.1:5672",
         .help = "AMQP address of a broker node; amqps://HOST:PORT for TLS.",
         .repeatable = true});
  }
  if (shared & kNodeAddressOption) {
    Add({.name = "node-address",
         .kind = OptionKind::kNodeAddress,
         .placeholder = "NODE=HOST:PORT",
         .help = "Where the AMQP port of a node is really reached.",
         .repeatable = true});
  }
  if (shared & kCredentialOptions) {
    takes_credentials_ = true;
    Add({.name = "user", .placeholder = "NAME", .default_value = "guest", .help = "Broker user."});
    Add({.name = "password-file",
         .placeholder = "FILE",
         .help = "File that holds the user's password. Without it WARREN_PASSWORD is used, else 'guest'."});
  }
  if (shared & kVhostOption) {
    Add({.name = "vhost", .placeholder = "NAME", .default_value = "/", .help = "Virtual host."});
  }
  if (shared & kLogOptions) {
    Add({.name = "log-format", .placeholder = "FORMAT", .default_value = "text", .choices = {"text", "json"}});
    Add({.name = "log-level",
         .placeholder = "LEVEL",
         .default_value = "info",
         .choices = {"trace", "debug", "info", "warning", "error"}});
  }
  if (shared & kTlsOption) {
    Add({.name = "tls-ca-file", .placeholder = "FILE", .help = "Certificates to trust instead of the system's."});
  }
  return *this;
}

const Option* OptionSet::Find(std::string_view name) const {
  for (const Option& option : options_) {
    if (LongName(option) == name) return &option;
  }
  return nullptr;
}

std::string OptionSet::NearestOption(std::string_view name) const {
  std::vector<std::string> names;
  for (const Option& option : options_) names.push_back(LongName(option));
  return NearestName(name, names).value_or(std::string());
}

Result<void> OptionSet::CommandLine(int argc, const char* const* argv, Parsed& parsed) const {
  po::options_description description = Describe(options_);
  description.add_options()(kArguments, po::value<std::vector<std::string>>(), "");
  po::positional_options_description positional;
  positional.add(kArguments, -1);
  namespace style = po::command_line_style;
  try {
    const auto line = po::command_line_parser(std::vector<std::string>(argv + std::min(argc, 1), argv + argc))
                          .options(description)
                          .positional(positional)
                          .style(style::default_style & ~style::allow_guessing)
                          .run();
    for (const auto& given : line.options) {
      if (given.string_key == kArguments) {
        parsed.arguments_.insert(parsed.arguments_.end(), given.value.begin(), given.value.end());
        continue;
      }
      Parsed::Value& value = parsed.values_[given.string_key];
      const Option& option = *Find(given.string_key);
      if (!value.texts.empty() && !option.repeatable && option.kind != OptionKind::kFlag) {
        return Fail(ErrorCode::kUsage, "is given twice; once is right", "--" + given.string_key);
      }
      value.origin = "--" + given.string_key;
      value.texts.push_back(given.value.empty() ? "true" : given.value.front());
    }
  } catch (const po::unknown_option& error) {
    std::string name = error.get_option_name();
    name.resize(std::min(name.find('='), name.size()));  // What stands behind it may be a secret.
    const std::string bare = name.substr(std::min(name.find_first_not_of('-'), name.size()));
    if (bare == "password") return Fail(ErrorCode::kUsage, std::string(kPasswordHint), name);
    const std::string nearest = NearestOption(bare);
    return Fail(ErrorCode::kUsage, Unknown("option " + name, nearest.empty() ? "" : "--" + nearest), "command line");
  } catch (const po::error& error) {
    return Fail(ErrorCode::kUsage, error.what(), "command line");
  }
  if (!takes_arguments_ && !parsed.arguments_.empty()) {
    return Fail(ErrorCode::kUsage, "unexpected argument '" + parsed.arguments_.front() + "'; options begin with --",
                "command line");
  }
  return {};
}

Result<void> OptionSet::Environment(const char* const* environment, Parsed& parsed) const {
  for (; environment != nullptr && *environment != nullptr; ++environment) {
    const std::string_view entry(*environment);
    const auto equals = entry.find('=');
    if (!entry.starts_with("WARREN_") || equals == std::string_view::npos) continue;
    const std::string variable(entry.substr(0, equals));
    const std::string text(entry.substr(equals + 1));
    if (variable == "WARREN_PASSWORD") {
      parsed.password_ = text;
      parsed.has_password_ = takes_credentials_;
      continue;
    }
    const std::string name = OptionName(variable);
    const Option* option = name == "help" || name == "version" ? nullptr : Find(name);
    if (option == nullptr) {
      if (IsKnownOption(name) || IsForeignVariable(variable)) continue;
      const std::string nearest = NearestOption(name);
      return Fail(ErrorCode::kConfiguration,
                  Unknown("option of that name", nearest.empty() ? "" : VariableName(nearest)),
                  "environment " + variable);
    }
    Parsed::Value& value = parsed.values_[name];
    if (!value.texts.empty()) continue;
    value.texts = option->repeatable ? Split(text) : std::vector<std::string>{text};
    value.origin = variable;
  }
  return {};
}

Result<void> OptionSet::File(const std::string& path, Parsed& parsed) const {
  std::ifstream file(path);
  if (!file) return Fail(ErrorCode::kConfiguration, "cannot be opened", path);
  std::string line;
  for (int number = 1; std::getline(file, line); ++number) {
    const std::string place = path + ":" + std::to_string(number);
    const std::string_view text = Trimmed(line);
    if (text.empty() || text.front() == '#' || text.front() == ';') continue;
    const auto equals = text.find('=');
    if (equals == std::string_view::npos) {
      return Fail(ErrorCode::kConfiguration, "is not of the form 'option = value' (sections are not used)", place);
    }
    const std::string name(Trimmed(text.substr(0, equals)));
    const std::string content(Trimmed(text.substr(equals + 1)));
    if (name == "password") return Fail(ErrorCode::kConfiguration, std::string(kPasswordHint), place);
    const Option* option = name == "config" || name == "help" || name == "version" ? nullptr : Find(name);
    if (option == nullptr) {
      return Fail(ErrorCode::kConfiguration, Unknown("option '" + name + "'", NearestOption(name)), place);
    }
    Parsed::Value& value = parsed.values_[name];
    const bool ours = value.origin.starts_with(path + ":");
    if (!value.texts.empty() && !ours) continue;  // Command line and environment win.
    if (ours && !option->repeatable) {
      return Fail(ErrorCode::kConfiguration, "'" + name + "' was given before; once is right", place);
    }
    const auto parts = option->repeatable ? Split(content) : std::vector<std::string>{content};
    value.texts.insert(value.texts.end(), parts.begin(), parts.end());
    value.origin = place;
  }
  return file.bad() ? Fail(ErrorCode::kConfiguration, "cannot be read", path) : Result<void>{};
}

Result<void> OptionSet::Finish(Parsed& parsed) const {
  for (const Option& option : options_) {
    const std::string name = LongName(option);
    Parsed::Value& value = parsed.values_[name];
    value.kind = option.kind;
    if (value.texts.empty() && !option.default_value.empty()) {
      value.texts.push_back(option.default_value);
      value.origin.clear();
    }
    if (value.texts.empty() && option.required) {
      return Fail(ErrorCode::kUsage, "--" + name + " is required (or " + VariableName(name) + ")");
    }
    for (const std::string& text : value.texts) {
      if (auto checked = CheckValue(option, text); !checked) {
        Error error = checked.error();
        error.code = value.origin.starts_with("--") ? ErrorCode::kUsage : ErrorCode::kConfiguration;
        return tl::unexpected(error.Within(value.origin));
      }
    }
  }
  return {};
}

Result<Parsed> OptionSet::Parse(int argc, const char* const* argv, const char* const* environment) const {
  for (const Option& option : options_) {
    const std::string name = LongName(option);
    if (!IsKnownOption(name) && name != "help" && name != "version") {
      return Fail(ErrorCode::kInternal, "--" + name + " is missing from the list in shardmgr/program/known_options.cc");
    }
  }
  Parsed parsed;
  parsed.program_ = program_;
  if (auto done = CommandLine(argc, argv, parsed); !done) return tl::unexpected(done.error());
  parsed.wants_help_ = parsed.values_.contains("help");
  parsed.wants_version_ = parsed.values_.contains("version");
  if (parsed.wants_help_ || parsed.wants_version_) return parsed;
  if (auto done = Environment(environment, parsed); !done) return tl::unexpected(done.error());
  if (const auto config = parsed.values_.find("config"); config != parsed.values_.end()) {
    if (auto done = File(config->second.texts.front(), parsed); !done) return tl::unexpected(done.error());
  }
  if (auto done = Finish(parsed); !done) return tl::unexpected(done.error());
  return parsed;
}

std::string OptionSet::Help() const {
  std::ostringstream text;
  text << "Usage: " << program_ << (usage_.empty() ? "" : " ") << usage_ << "\n\n"
       << summary_ << "\n\n"
       << Describe(options_)
       << "\nEvery option may also be given in the environment as WARREN_OPTION_NAME, or in the file of --config.\n";
  return text.str();
}

std::string OptionSet::Version() const { return program_ + " " + WARREN_VERSION; }

ParsedOrExit ParseOrExplain(const OptionSet& options, int argc, const char* const* argv) {
  auto parsed = options.Parse(argc, argv, ::environ);
  if (!parsed) {
    std::cerr << options.program() << ": " << parsed.error().ToString() << "\n";
    if (parsed.error().code == ErrorCode::kUsage) std::cerr << "Try '" << options.program() << " --help'.\n";
    return {nullptr, ExitCode(parsed.error().code)};
  }
  if (parsed->wants_help() || parsed->wants_version()) {
    std::cout << (parsed->wants_help() ? options.Help() : options.Version() + "\n");
    return {nullptr, 0};
  }
  return {std::make_unique<Parsed>(std::move(*parsed)), 0};
}

}  // namespace warren::program
