// Catalog: all definitions, policies and globals of one moment, validated, ready to be asked.
//
// Parameters come from the broker and from files; the catalog cares only for messages. A parameter
// that is not valid spoils what refers to it and nothing else: it is listed in problems(), and
// exchanges that resolve through it get its message. Pure; const members are safe from any thread.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "policies/error.h"
#include "policies/parameter.h"
#include "policies/stream_spec.h"

namespace warren::policies {

/// A validated policy: which exchanges of which vhost.
struct Policy {
  std::string vhost;
  std::string name;
  std::string pattern;  ///< PCRE2, unanchored.
  int priority = 0;
  std::string definition;
  std::string source;
};

/// What a catalog says of one exchange.
struct Resolution {
  std::string policy;              ///< Name of the policy that matched.
  std::optional<StreamSpec> spec;  ///< Unset when a definition or global it needs is missing or invalid.
  std::optional<Error> error;      ///< Why there is no spec.
};

class Catalog {
 public:
  Catalog();
  ~Catalog();
  Catalog(Catalog&&) noexcept;
  Catalog& operator=(Catalog&&) noexcept;

  /// Validates all of it. Later sources win over earlier ones of the same name. Never fails: what is
  /// wrong is in problems().
  static Catalog Build(const std::vector<Parameter>& parameters);

  /// The policy with the highest priority (then the smallest name) of `vhost` that matches, resolved.
  /// Nothing when none does. An exchange whose type cannot be sharded is the planner's business.
  std::optional<Resolution> Resolve(std::string_view vhost, std::string_view exchange) const;

  const std::vector<Error>& problems() const;   ///< One per invalid parameter; context names it and its source.
  const std::vector<Policy>& policies() const;  ///< Valid ones, by vhost, priority (descending), name.
  std::vector<std::string> definition_names() const;
  /// Nodes that are to be empty of shards (stream-node.<node> with drain true); sorted.
  const std::vector<std::string>& drained_nodes() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace warren::policies
