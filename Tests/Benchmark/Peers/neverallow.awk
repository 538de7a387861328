# Writes a policy.conf of 1,800 types, 25,000 rules and 1,800 that forbid what none of these grants.
BEGIN {
    n = 1800
    print "class process\nclass file\nclass dir\nsid kernel"
    print "class process { fork transition }"
    print "class file { read write ioctl open }\nclass dir { read write search }"
    for (i = 0; i < 90; i++) print "attribute of" i ";"
    for (i = 0; i < n; i++)
        printf "type ty%d, of%d, of%d, of%d;\n", i, i % 30, (i * 7 + 3) % 30 + 30, int(i / 60) + 60
    for (i = 0; i < 25000; i++)
        printf "allow ty%d ty%d:file { read open };\n", (i * 131) % n, (i * 137 + int(i / n)) % n
    for (i = 0; i < 90; i++) printf "allow of%d of%d:dir { read search };\n", i, (i * 11) % 90
    for (i = 0; i < n; i++)
        printf "neverallow { of%d ty%d -ty%d } { of%d of%d -ty%d }:{ file dir } write;\n", \
            i % 90, i, (i * 3) % n, (i * 7) % 90, (i * 13) % 90, (i * 5) % n
    print "role r;\nrole r types ty0;\nuser u roles r;\nsid kernel u:r:ty0"
}
