# Writes C that has files as strings, which a header declares:
# awk -v header=PATH -v names="A B" -f embed.awk FILE-OF-A FILE-OF-B
BEGIN {
    n = split(names, name, " ")
    print "/* Made by lib/embed.awk. */"
    print "#include \"" header "\""
}
FNR == 1 {
    if (file++ > 0)
        print "\t;"
    print ""
    print "const char " name[file] "[] ="
}
{
    gsub(/\\/, "\\\\&")
    gsub(/"/, "\\\"")
    gsub(/\t/, "\\t")
    print "\t\"" $0 "\\n\""
}
END {
    print "\t;"
    if (file != n)
        exit 1
}
