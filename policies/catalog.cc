// Builds the tables once, so that Resolve only matches patterns.
#include "policies/catalog.h"

#include <fmt/format.h>

#include <tuple>

#include "policies/json.h"
#include "policies/names.h"
#include "policies/pattern.h"
#include "policies/resolve.h"
#include "policies/schema.h"
#include "policies/validate.h"

namespace warren::policies {

namespace {

/// A policy, and the error if it is not valid: an exchange that its pattern matches must not fall to another policy
/// because of a mistake in this one.
struct Entry {
  Policy policy;
  std::optional<Error> error;
};

}  // namespace

struct Catalog::Impl {
  std::vector<Error> problems;
  std::vector<Policy> policies;   ///< Valid ones; see policies().
  std::vector<Entry> entries;     ///< All that can match, sorted: vhost, priority (descending), name.
  std::vector<Pattern> patterns;  ///< Of `entries`, same order.
  std::map<std::string, std::pair<std::size_t, std::size_t>, std::less<>> ranges;  ///< vhost -> [first, last) entries
  std::map<std::string, Result<StreamSpec>, std::less<>> definitions;
  std::vector<std::string> drained_nodes;

  void AddDefinitions(const std::map<std::string, const Parameter*>& given, const Globals& globals);
  void AddPolicies(std::vector<Entry> given);
  void AddNodes(const std::map<std::string, const Parameter*>& given);
  Resolution ResolveThrough(const Policy& policy) const;
};

namespace {

/// The last parameter of each definition, policy and global key; names that cannot be read go to problems.
struct Sorted {
  std::map<std::string, const Parameter*> definitions;
  std::map<std::pair<std::string, std::string>, const Parameter*> policies;
  std::map<std::string, const Parameter*> globals;
  std::map<std::string, const Parameter*> nodes;
};

Error InSource(Error error, const Parameter& parameter) {
  error.context += fmt::format(" ({})", parameter.source.empty() ? "unknown source" : parameter.source);
  return error;
}

Sorted Sort(const std::vector<Parameter>& parameters, std::vector<Error>& problems) {
  Sorted sorted;
  for (const Parameter& parameter : parameters) {
    if (!IsOurParameter(parameter.name)) continue;
    auto name = ParseParameterName(parameter.name);
    if (!name) {
      problems.push_back(InSource(name.error(), parameter));
    } else if (name->kind == ParameterKind::kDefinition) {
      sorted.definitions[name->name] = &parameter;
    } else if (name->kind == ParameterKind::kPolicy) {
      sorted.policies[{name->vhost, name->name}] = &parameter;
    } else if (name->kind == ParameterKind::kNode) {
      sorted.nodes[name->name] = &parameter;
    } else {
      sorted.globals[name->name] = &parameter;
    }
  }
  return sorted;
}

Globals ReadGlobals(const std::map<std::string, const Parameter*>& given, std::vector<Error>& problems) {
  Globals globals;
  for (const auto& [key, parameter] : given) {
    if (auto valid = ValidateGlobal(key, parameter->value); !valid) {
      problems.push_back(InSource(valid.error(), *parameter));
      // A key that no definition knows spoils nothing but itself.
      if (IsDefinitionKey(key)) globals.emplace(key, tl::unexpected(problems.back()));
    } else {
      globals.emplace(key, parameter->value);
    }
  }
  return globals;
}

/// What can be read of a policy that is not valid; nothing without a pattern: which exchanges it is for is not known.
std::optional<Policy> Readable(const std::string& vhost, const std::string& name, const Parameter& parameter) {
  if (!parameter.value.is_object()) return std::nullopt;
  const auto pattern = parameter.value.find("pattern");
  if (pattern == parameter.value.end() || !pattern->is_string()) return std::nullopt;
  Policy policy;
  policy.vhost = vhost;
  policy.name = name;
  policy.source = parameter.source;
  policy.pattern = pattern->get<std::string>();
  if (const auto priority = parameter.value.find("priority");
      priority != parameter.value.end() && priority->is_number_integer()) {
    policy.priority = priority->get<int>();
  }
  return policy;
}

}  // namespace

Catalog::Catalog() : impl_(std::make_unique<Impl>()) {}
Catalog::~Catalog() = default;
Catalog::Catalog(Catalog&&) noexcept = default;
Catalog& Catalog::operator=(Catalog&&) noexcept = default;

void Catalog::Impl::AddDefinitions(const std::map<std::string, const Parameter*>& given, const Globals& globals) {
  for (const auto& [name, parameter] : given) {
    auto valid = ValidateDefinition(name, parameter->value);
    if (!valid) {
      problems.push_back(InSource(valid.error(), *parameter));
      definitions.emplace(name, tl::unexpected(problems.back()));
      continue;
    }
    definitions.emplace(name, ResolveSpec(name, parameter->value, globals));
  }
}

void Catalog::Impl::AddPolicies(std::vector<Entry> given) {
  std::sort(given.begin(), given.end(), [](const Entry& a, const Entry& b) {
    return std::tie(a.policy.vhost, b.policy.priority, a.policy.name) <
           std::tie(b.policy.vhost, a.policy.priority, b.policy.name);
  });
  for (Entry& entry : given) {
    auto pattern = Pattern::Compile(entry.policy.pattern);
    if (!pattern) continue;
    patterns.push_back(*std::move(pattern));
    if (!entry.error) policies.push_back(entry.policy);
    entries.push_back(std::move(entry));
    auto& range = ranges.try_emplace(entries.back().policy.vhost, entries.size() - 1, 0).first->second;
    range.second = entries.size();
  }
}

void Catalog::Impl::AddNodes(const std::map<std::string, const Parameter*>& given) {
  for (const auto& [node, parameter] : given) {
    if (auto valid = ValidateNode(node, parameter->value); !valid) {
      problems.push_back(InSource(valid.error(), *parameter));
    } else if (parameter->value["drain"] == true) {
      drained_nodes.push_back(node);
    }
  }
}

Catalog Catalog::Build(const std::vector<Parameter>& parameters) {
  Catalog catalog;
  Impl& impl = *catalog.impl_;
  const Sorted sorted = Sort(parameters, impl.problems);
  impl.AddDefinitions(sorted.definitions, ReadGlobals(sorted.globals, impl.problems));
  std::vector<Entry> entries;
  for (const auto& [key, parameter] : sorted.policies) {
    auto policy = ParsePolicy(key.first, key.second, parameter->value);
    if (policy) {
      policy->source = parameter->source;
      entries.push_back({*std::move(policy), std::nullopt});
      continue;
    }
    impl.problems.push_back(InSource(policy.error(), *parameter));
    if (auto readable = Readable(key.first, key.second, *parameter)) {
      entries.push_back({*std::move(readable), impl.problems.back()});
    }
  }
  impl.AddPolicies(std::move(entries));
  impl.AddNodes(sorted.nodes);
  std::sort(impl.problems.begin(), impl.problems.end(), [](const Error& a, const Error& b) {
    return std::tie(a.context, a.message) < std::tie(b.context, b.message);
  });
  return catalog;
}

Resolution Catalog::Impl::ResolveThrough(const Policy& policy) const {
  Resolution resolution;
  resolution.policy = policy.name;
  const std::string who = fmt::format("policy '{}' of vhost '{}' names stream definition '{}', which", policy.name,
                                      policy.vhost, policy.definition);
  const auto found = definitions.find(policy.definition);
  if (found == definitions.end()) {
    resolution.error = Error{ErrorCode::kNotFound,
                             fmt::format("{} does not exist; define it with: warrenctl set_parameter "
                                         "stream-definition {} "
                                         "'{{…}}'",
                                         who, policy.definition),
                             {}};
  } else if (!found->second) {
    resolution.error = Error{found->second.error().code,
                             fmt::format("{} is not valid: "
                                         "{}",
                                         who, found->second.error().ToString()),
                             {}};
  } else {
    resolution.spec = *found->second;
    resolution.spec->policy = policy.name;
  }
  return resolution;
}

std::optional<Resolution> Catalog::Resolve(std::string_view vhost, std::string_view exchange) const {
  const auto range = impl_->ranges.find(vhost);
  if (range == impl_->ranges.end() || IsReservedExchange(exchange)) return std::nullopt;
  for (std::size_t i = range->second.first; i < range->second.second; ++i) {
    const Policy& policy = impl_->entries[i].policy;
    const auto matches = impl_->patterns[i].Matches(exchange);
    if (!matches) {
      // Whether it matches is not known: taking the next policy could shard the exchange in another way.
      Error error = matches.error().Within(fmt::format("stream policy '{}' of vhost '{}'", policy.name, policy.vhost));
      return Resolution{policy.name, std::nullopt, std::move(error)};
    }
    if (!*matches) continue;
    if (impl_->entries[i].error) return Resolution{policy.name, std::nullopt, impl_->entries[i].error};
    return impl_->ResolveThrough(policy);
  }
  return std::nullopt;
}

const std::vector<Error>& Catalog::problems() const { return impl_->problems; }
const std::vector<Policy>& Catalog::policies() const { return impl_->policies; }

const std::vector<std::string>& Catalog::drained_nodes() const { return impl_->drained_nodes; }

std::vector<std::string> Catalog::definition_names() const {
  std::vector<std::string> names;
  for (const auto& [name, unused] : impl_->definitions) names.push_back(name);
  return names;
}

}  // namespace warren::policies
