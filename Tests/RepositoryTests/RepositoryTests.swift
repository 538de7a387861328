import Testing

@Test("the test runner runs") func runs() { #expect(1 + 1 == 2) }
