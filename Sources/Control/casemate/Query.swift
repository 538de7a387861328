import ArgumentParser

/// `casemate query`: questions about binary policies for Xen and for Linux.
struct Query: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "query",
        abstract: "Ask a policy for Xen or Linux what it permits, and why.",
        discussion: """
            Reads policies as checkpolicy, secilc and this tool write them: XenFlask versions 24 \
            and 30, SELinux versions 15 to 33; and policy.conf, which it compiles first.

            EXIT STATUS
              0   the question was answered
              1   the policy or the question is refused; or the answer is no, as each says
              64  the command line is wrong
              74  the policy could not be read

            EXAMPLE
              casemate query search policy.33 --allow -s httpd_t -c file -p write
            """,
        subcommands: [
            QueryInfo.self, QuerySearch.self, QueryFlow.self, QueryAssert.self,
            QueryTransition.self, QueryWhy.self, QueryDiff.self,
        ])
}
