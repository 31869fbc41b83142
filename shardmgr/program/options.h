// OptionSet: the options of one program, where their values come from, and its help text.
//
// Precedence: command line > environment WARREN_<OPTION> > --config FILE > default. A key that
// nobody knows is an error wherever it stands, names its place and the nearest known option.
// Every value is checked in Parse, so the getters of Parsed cannot fail. Shared options are taken in
// groups, so that they mean the same in every program.
// Boost.Program_options is behind options.cc. Values only; no thread rules.
#pragma once

#include <chrono>
#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "policies/error.h"
#include "shardmgr/broker/amqp/types.h"
#include "shardmgr/program/units.h"

namespace warren::program {

enum class OptionKind {
  kText,
  kFlag,         ///< No value on the command line; true/false, yes/no, 1/0 elsewhere.
  kInteger,      ///< Within Option::minimum and maximum.
  kDuration,     ///< ParseDuration
  kSize,         ///< ParseSize
  kAddress,      ///< ParseAddress
  kEndpoint,     ///< amqp::ParseEndpoint
  kHttpUrl,      ///< http:// or https:// URL
  kNodeAddress,  ///< NODE=HOST:PORT
};

/// One option. `name` is the long name, with ",x" after it for a short one ("quiet,q").
struct Option {
  std::string name;
  OptionKind kind = OptionKind::kText;
  std::string placeholder = {};    ///< As help shows the value: "FILE", "DURATION".
  std::string default_value = {};  ///< Empty: none.
  std::string help = {};
  bool repeatable = false;  ///< Environment and file: values separated by commas or spaces.
  bool required = false;
  std::vector<std::string> choices = {};  ///< kText: if not empty, the values allowed.
  std::int64_t minimum = 0;         ///< kInteger, kDuration (milliseconds), kSize (bytes)
  std::int64_t maximum = std::numeric_limits<std::int64_t>::max();
};

/// Groups of shared options, to be or-ed. --config, --help and --version are always there.
enum SharedOptions : unsigned {
  kManagementOption = 1u << 0,   ///< --management (default http://127.0.0.1:15672)
  kNodeOption = 1u << 1,         ///< --node (default 127.0.0.1:5672)
  kNodeAddressOption = 1u << 2,  ///< --node-address
  kCredentialOptions = 1u << 3,  ///< --user, --password-file, WARREN_PASSWORD; see settings.h
  kVhostOption = 1u << 4,        ///< --vhost (default /)
  kLogOptions = 1u << 5,         ///< --log-format, --log-level; see logging.h
  kTlsOption = 1u << 6,          ///< --tls-ca-file
};

/// The values of all options after Parse. Getters take the long name; asking for an option that the
/// program did not add, or as another kind, is a programmer's error (std::logic_error).
class Parsed {
 public:
  bool Given(std::string_view name) const;          ///< Anywhere but as the default.
  std::string Origin(std::string_view name) const;  ///< "--interval", "WARREN_INTERVAL", "file.ini:3", "default"
  bool Has(std::string_view name) const;            ///< Given, or has a default.

  std::string Text(std::string_view name) const;  ///< Empty when there is none. Any kind.
  std::vector<std::string> List(std::string_view name) const;
  bool Flag(std::string_view name) const;
  std::int64_t Integer(std::string_view name) const;
  std::chrono::milliseconds Duration(std::string_view name) const;
  std::uint64_t Bytes(std::string_view name) const;
  Address ListenAddress(std::string_view name) const;
  std::vector<amqp::Endpoint> Endpoints(std::string_view name) const;
  std::map<std::string, amqp::Endpoint> NodeAddresses() const;  ///< Of --node-address.

  const std::vector<std::string>& arguments() const { return arguments_; }  ///< Positional ones, in order.
  const std::string& program() const { return program_; }
  /// WARREN_PASSWORD when it is set and the program takes credentials; for settings.h.
  const std::string* password() const { return has_password_ ? &password_ : nullptr; }

  bool wants_help() const { return wants_help_; }        ///< --help: print OptionSet::Help(), exit 0.
  bool wants_version() const { return wants_version_; }  ///< --version: print Version(), exit 0.

 private:
  friend class OptionSet;
  struct Value {
    OptionKind kind = OptionKind::kText;
    std::vector<std::string> texts;
    std::string origin;  ///< Empty: nobody gave it.
  };
  const Value& At(std::string_view name) const;

  std::map<std::string, Value, std::less<>> values_;
  std::vector<std::string> arguments_;
  std::string program_;
  std::string password_;
  bool has_password_ = false;
  bool wants_help_ = false;
  bool wants_version_ = false;
};

class OptionSet {
 public:
  /// `usage` is what follows the program's name in help ("[OPTIONS]"), `summary` one or two sentences.
  OptionSet(std::string program, std::string usage, std::string summary);

  OptionSet& Take(unsigned shared);                                  ///< SharedOptions, or-ed.
  OptionSet& Listen(std::string default_address, std::string help);  ///< --listen HOST:PORT
  OptionSet& MetricsListen(std::string default_address);             ///< --metrics-listen HOST:PORT
  OptionSet& Add(Option option);
  OptionSet& TakeArguments();  ///< Positional arguments are allowed.

  /// `environment` as main's third argument or ::environ: NAME=VALUE, ended by null; null: none.
  /// Command-line errors are kUsage, the others kConfiguration. With --help or --version nothing else is checked.
  Result<Parsed> Parse(int argc, const char* const* argv, const char* const* environment) const;

  const std::string& program() const { return program_; }
  const std::vector<Option>& options() const { return options_; }  ///< In the order of Help().
  std::string Help() const;
  std::string Version() const;  ///< "warren-coordinator 0.1.0"

 private:
  const Option* Find(std::string_view name) const;
  std::string NearestOption(std::string_view name) const;
  Result<void> CommandLine(int argc, const char* const* argv, Parsed& parsed) const;
  Result<void> Environment(const char* const* environment, Parsed& parsed) const;
  Result<void> File(const std::string& path, Parsed& parsed) const;
  Result<void> Finish(Parsed& parsed) const;

  std::string program_, usage_, summary_;
  std::vector<Option> options_;
  bool takes_arguments_ = false;
  bool takes_credentials_ = false;
};

/// The usual start of main: parses, prints help, version or the error (stderr, with a pointer to
/// --help for usage errors). Nothing returned: exit with `exit_code`.
struct ParsedOrExit {
  std::unique_ptr<Parsed> parsed;
  int exit_code = 0;
};
ParsedOrExit ParseOrExplain(const OptionSet& options, int argc, const char* const* argv);

}  // namespace warren::program
