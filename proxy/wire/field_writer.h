// FieldWriter: writes a list of field lines over an earlier one, so that once it is warm a list of the same shape costs
// no allocation. Header-only; one writer at a time belongs to a list.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string_view>

#include "proxy/wire/fields.h"

namespace warren::wire {

class FieldWriter {
 public:
  explicit FieldWriter(Fields& fields) : fields_(fields) {}
  FieldWriter(const FieldWriter&) = delete;
  FieldWriter& operator=(const FieldWriter&) = delete;
  /// What is left of the earlier list goes.
  ~FieldWriter() { fields_.resize(count_); }

  /// Appends a line; its value is what is assigned to the result.
  std::string& Add(std::string_view name) {
    if (count_ == fields_.size()) fields_.emplace_back();
    Field& field = fields_[count_++];
    field.name.assign(name);
    return field.value;
  }
  /// The same, with the name in lower case.
  std::string& AddLower(std::string_view name) {
    std::string& value = Add(name);
    std::string& lower = fields_[count_ - 1].name;
    std::transform(lower.begin(), lower.end(), lower.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; });
    return value;
  }
  std::size_t count() const { return count_; }

 private:
  Fields& fields_;
  std::size_t count_ = 0;
};

}  // namespace warren::wire
