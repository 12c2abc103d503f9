package devcloud

// loopbackNets tells that every address of 127.0.0.0/8 can be listened on.
const loopbackNets = true
