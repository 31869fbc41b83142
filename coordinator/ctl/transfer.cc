// export, import: definitions, policies and defaults as one JSON document.
#include <fstream>
#include <iostream>
#include <ostream>

#include "coordinator/ctl/command.h"
#include "coordinator/ctl/documents.h"
#include "coordinator/ctl/round.h"
#include "coordinator/ctl/user_parameters.h"
#include "coordinator/ctl/world.h"
#include "policies/names.h"
#include "policies/validate.h"

namespace warren::ctl {
namespace {

using policies::ParameterKind;

/// Definitions, defaults and policies, of one virtual host where one was named; that a node is drained is no setting.
/// A name that cannot be read is asked for as well.
bool IsAskedFor(const Context& context, const Parameter& parameter) {
  const auto name = policies::ParseParameterName(parameter.name);
  if (!name) return true;
  if (name->kind == ParameterKind::kNode) return false;
  return name->kind != ParameterKind::kPolicy || !context.vhost_given || name->vhost == context.vhost;
}

/// Warns of it where something is wrong. False: import would refuse all of a file that has it, so it is left out; a
/// definitions file is as the broker is, and leaves out only what is not Warren's at all.
bool IsWritten(const Context& context, const Parameter& parameter) {
  const auto name = policies::ParseParameterName(parameter.name);
  const auto valid = name ? policies::ValidateParameter(parameter) : tl::unexpected(name.error());
  if (valid) return true;
  const bool kept = name && context.export_as == "definitions";
  context.Warn(valid.error().ToString() + (kept ? "" : "; it is left out"));
  return kept;
}

Result<std::string> ReadAll(std::istream& stream, const std::string& source) {
  std::string text;
  char piece[64 * 1024];
  while (stream.read(piece, sizeof piece) || stream.gcount() > 0) {
    text.append(piece, static_cast<std::size_t>(stream.gcount()));
    if (text.size() > kMaxDocumentBytes) {
      return Fail(ErrorCode::kInvalid, "it has more than " + std::to_string(kMaxDocumentBytes) + " bytes", source);
    }
  }
  if (stream.bad()) return Fail(ErrorCode::kInvalid, "it cannot be read", source);
  return text;
}

Result<Document> ReadSource(const std::string& file) {
  const std::string source = file == "-" ? "standard input" : file;
  std::ifstream opened;
  if (file != "-") {
    opened.open(file, std::ios::binary);
    if (!opened)
      return Fail(ErrorCode::kInvalid, "the file cannot be opened; give the name of a readable file", source);
  }
  auto text = ReadAll(file == "-" ? std::cin : opened, source);
  if (!text) return tl::unexpected(text.error());
  return ReadDocument(*text, source);
}

/// All that is wrong with it, virtual hosts that are not there included.
std::vector<Error> FindFaults(const Document& document, const std::vector<std::string>& vhosts) {
  std::vector<Error> faults;
  for (const Parameter& parameter : document.parameters) {
    if (auto valid = policies::ValidateParameter(parameter); !valid) {
      faults.push_back(valid.error().Within(parameter.source));
      continue;
    }
    const auto name = policies::ParseParameterName(parameter.name);
    if (name->kind != ParameterKind::kPolicy) continue;
    if (std::find(vhosts.begin(), vhosts.end(), name->vhost) != vhosts.end()) continue;
    faults.push_back({ErrorCode::kNotFound,
                      "there is no virtual host '" + name->vhost + "'; create it first (rabbitmqctl add_vhost)",
                      parameter.source + ": " + policies::Describe(*name)});
  }
  return faults;
}

const Parameter* Find(const std::vector<Parameter>& parameters, const std::string& name) {
  const auto found = std::find_if(parameters.begin(), parameters.end(),
                                  [&](const Parameter& parameter) { return parameter.name == name; });
  return found == parameters.end() ? nullptr : &*found;
}

void WarnOfUndefined(const Context& context, const Document& document, const std::vector<Parameter>& present) {
  for (const Parameter& parameter : document.parameters) {
    const auto name = policies::ParseParameterName(parameter.name);
    if (name->kind != ParameterKind::kPolicy) continue;
    const auto policy = policies::ParsePolicy(name->vhost, name->name, parameter.value);
    if (!policy) continue;
    const std::string definition = policies::DefinitionParameterName(policy->definition);
    if (Find(document.parameters, definition) != nullptr || Find(present, definition) != nullptr) continue;
    context.Warn(policies::Describe(*name) + " names stream definition '" + policy->definition +
                 "', which is neither in the file nor in the broker; it has no effect until there is one");
  }
}

/// "'a', 'b'"
std::string Names(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "'" : ", '") + name + "'";
  return text;
}

/// What import did, or would do.
struct Imported {
  Table table{{"name", "outcome"}, {}};
  std::size_t written = 0;
  std::vector<Error> failures;
};

Imported Write(const Context& context, const Document& document, const std::vector<Parameter>& present) {
  Imported imported;
  for (const Parameter& parameter : document.parameters) {
    const Parameter* before = Find(present, parameter.name);
    if (before != nullptr && before->value == parameter.value) {
      imported.table.rows.push_back({parameter.name, "unchanged"});
      continue;
    }
    std::string outcome = before == nullptr ? "created" : "changed";
    if (!context.dry_run) {
      auto written = context.client->PutGlobalParameter(parameter.name, parameter.value);
      if (written) ++imported.written;
      if (!written) {
        outcome = "failed";
        imported.failures.push_back(written.error());
      }
    }
    imported.table.rows.push_back({parameter.name, outcome});
  }
  return imported;
}

}  // namespace

Result<int> ExportSettings(const Context& context) {
  if (auto known = CheckGivenVhost(context); !known) return tl::unexpected(known.error());
  auto parameters = UserParameters(context);
  if (!parameters) return tl::unexpected(parameters.error());
  std::erase_if(*parameters, [&](const Parameter& parameter) { return !IsAskedFor(context, parameter); });
  const auto left_out = std::erase_if(*parameters, [&](const Parameter& p) { return !IsWritten(context, p); });
  const auto document =
      context.export_as == "definitions" ? DefinitionsDocument(*parameters) : WarrenDocument(*parameters);
  *context.out << document.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) << "\n";
  return left_out == 0 ? 0 : kPartlyDone;
}

Result<int> ImportSettings(const Context& context) {
  auto document = ReadSource(context.arguments[0]);
  if (!document) return tl::unexpected(document.error());
  auto vhosts = context.client->ListVhosts();
  if (!vhosts) return tl::unexpected(vhosts.error());
  auto present = context.client->ListGlobalParameters();
  if (!present) return tl::unexpected(present.error());

  const auto faults = FindFaults(*document, *vhosts);
  for (std::size_t i = 1; i < faults.size(); ++i) context.Complain(faults[i]);
  if (!faults.empty()) return tl::unexpected(faults.front());
  WarnOfUndefined(context, *document, *present);
  if (document->left_out > 0) {
    context.Say(std::to_string(document->left_out) + " global parameters of others are left out.");
  }
  if (!document->drained_nodes.empty()) {
    context.Say("Which nodes are drained is no setting, and left out: " + Names(document->drained_nodes) +
                "; 'warrenctl drain_node' drains a node.");
  }
  if (document->parameters.empty()) context.Warn("there are no definitions, policies or defaults in it");

  Imported imported = Write(context, *document, *present);
  context.Print(imported.table);
  for (const Error& failure : imported.failures) context.Warn(failure.ToString());
  if (!imported.failures.empty()) {
    return imported.written > 0 ? kPartlyDone : ExitCode(imported.failures.front().code);
  }
  if (context.dry_run) context.Say("Nothing was written, as --dry-run says.");
  return 0;
}

}  // namespace warren::ctl
