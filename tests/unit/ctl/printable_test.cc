// Text for terminals.
#include "coordinator/ctl/printable.h"

#include <gtest/gtest.h>

#include <sstream>

#include "coordinator/ctl/command.h"
#include "coordinator/ctl/progress.h"

namespace warren::ctl {
namespace {

TEST(Printable, EscapesControlCharactersAndNothingElse) {
  EXPECT_EQ(Printable("a\x1b[2Jb\r\n\x7f"), "a\\x1b[2Jb\\x0d\\x0a\\x7f");
  EXPECT_EQ(Printable("\xC2\x9B"
                      "2J"),
            "\\x9b2J");
  EXPECT_EQ(Printable("\xC3\xBC \xC2\xA0 \xC2"), "\xC3\xBC \xC2\xA0 \xC2");
}

TEST(CutToWidth, CutsBetweenCodePoints) {
  EXPECT_EQ(CutToWidth("abcdef", 6), "abcdef");
  EXPECT_EQ(CutToWidth("abcdef", 5), "abcd…");
  EXPECT_EQ(CutToWidth("\xC3\xBC\xC3\xBC\xC3\xBC", 2), "\xC3\xBC…");
  EXPECT_EQ(CutToWidth("abcdef", 1), "…");
  EXPECT_EQ(CutToWidth("abcdef", 0), "abcdef");
}

// Whatever a name in the broker holds, no line of warrenctl obeys it.
TEST(Context, LetsNoNameWriteOnTheTerminal) {
  std::ostringstream out, err;
  Context context;
  context.out = &out;
  context.err = &err;
  context.Say("exchange 'a\x1b[2J'");
  context.Warn("exchange 'a\x1b[2J'");
  context.Complain({ErrorCode::kConflict, "exchange 'a\x1b[2J'", {}});
  Progress(context).Show("exchange 'a\x1b[2J'");
  EXPECT_EQ(out.str(), "exchange 'a\\x1b[2J'\nexchange 'a\\x1b[2J'\n");
  EXPECT_EQ(err.str(), "Warning: exchange 'a\\x1b[2J'\nError: exchange 'a\\x1b[2J'\n");
}

}  // namespace
}  // namespace warren::ctl
