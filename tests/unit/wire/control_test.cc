// Accepts and cancels, there and back through the real codec.
#include "proxy/wire/control.h"

#include <gtest/gtest.h>

#include "codec.h"

namespace warren::wire {
namespace {

TEST(Control, AnAcceptComesBackAsItWasSent) {
  ControlEncoder encoder;
  const Decoded decoded(Encoded(encoder.EncodeAccept("c0ffee", "amq.gen-inbox", "w1.7")));
  ASSERT_NE(decoded.properties, nullptr);
  const auto accept = ReadAccept(*decoded.properties);
  ASSERT_TRUE(accept);
  EXPECT_EQ(accept->correlation_id, "c0ffee");
  EXPECT_EQ(accept->inbox, "amq.gen-inbox");
  EXPECT_EQ(accept->attempt, "w1.7");
  EXPECT_FALSE(ReadCancel(*decoded.properties));
}

TEST(Control, ACancelComesBackAsItWasSent) {
  ControlEncoder encoder;
  const Decoded decoded(Encoded(encoder.EncodeCancel("c0ffee", "w1.7")));
  ASSERT_NE(decoded.properties, nullptr);
  const auto cancel = ReadCancel(*decoded.properties);
  ASSERT_TRUE(cancel);
  EXPECT_EQ(cancel->correlation_id, "c0ffee");
  EXPECT_EQ(cancel->attempt, "w1.7");
  EXPECT_FALSE(ReadAccept(*decoded.properties));
}

TEST(Control, ClaimsAndGrantsAreNothingElse) {
  ControlEncoder encoder;
  const Decoded up(Encoded(encoder.EncodeClaim("c0ffee", "amq.gen-inbox", "w1.7")));
  const auto claim = ReadClaim(*up.properties);
  ASSERT_TRUE(claim);
  EXPECT_EQ(claim->correlation_id, "c0ffee");
  EXPECT_EQ(claim->inbox, "amq.gen-inbox");
  EXPECT_EQ(claim->attempt, "w1.7");
  EXPECT_FALSE(ReadAccept(*up.properties) || ReadCancel(*up.properties) || ReadGrant(*up.properties));
  const Decoded down(Encoded(encoder.EncodeGrant("c0ffee", "w1.7")));
  const auto grant = ReadGrant(*down.properties);
  ASSERT_TRUE(grant);
  EXPECT_EQ(grant->correlation_id, "c0ffee");
  EXPECT_EQ(grant->attempt, "w1.7");
  EXPECT_FALSE(ReadAccept(*down.properties) || ReadCancel(*down.properties) || ReadClaim(*down.properties));
}

TEST(Control, WhatLacksSomethingIsNothing) {
  ControlEncoder encoder;
  const Decoded no_inbox(Encoded(encoder.EncodeAccept("c0ffee", "", "w1.7")));
  EXPECT_FALSE(ReadAccept(*no_inbox.properties));
  const Decoded no_token(Encoded(encoder.EncodeCancel("", "w1.7")));
  EXPECT_FALSE(ReadCancel(*no_token.properties));
  const Decoded no_attempt(Encoded(encoder.EncodeCancel("c0ffee", "")));
  EXPECT_FALSE(ReadCancel(*no_attempt.properties));
  EXPECT_FALSE(ReadAccept(amqp_basic_properties_t{}));
}

TEST(Control, AnAcceptIsNotAResponse) {
  ControlEncoder encoder;
  const Decoded decoded(Encoded(encoder.EncodeAccept("c0ffee", "amq.gen-inbox", "w1.7")));
  EXPECT_FALSE(DecodeResponse(*decoded.properties, ""));
}

}  // namespace
}  // namespace warren::wire
